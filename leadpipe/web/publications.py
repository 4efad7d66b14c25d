"""The publication that pages show: read on one connection, and what was made of it kept until the next one.

Charts and sums of a publication are the same for everybody who looks: they are made once. A connection a
view, and the charts drawn anew, cost 350 ms a view.
"""

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from leadpipe.errors import NotPublished
from leadpipe.published.kept import KeptPublication
from leadpipe.published.reading import Ask

_MadeT = TypeVar("_MadeT")
_MOST_KEPT = 200


class PagePublication:
    """The current publication for pages; from any thread, one at a time.

    Args:
        folder: of the publications.
    """

    def __init__(self, folder: Path) -> None:
        self._publication = KeptPublication(folder, self._forget)
        self._made: OrderedDict[Hashable, Any] = OrderedDict()

    @contextmanager
    def reading(self) -> Iterator[Ask | None]:
        """Ask questions of one publication; None while nothing is published."""
        with self._publication.alone():
            try:
                ask = self._publication.asking()
            except NotPublished:
                self._made.clear()
                ask = None
            yield ask

    def made(self, key: Hashable, make: Callable[[], _MadeT]) -> _MadeT:
        """What `make` gives, once a publication and key; to be asked for while reading.

        Args:
            key: everything that it depends on beside the publication, and a name of its own.
            make: makes it.
        """
        if key not in self._made:
            self._made[key] = make()
            while len(self._made) > _MOST_KEPT:
                self._made.popitem(last=False)
        self._made.move_to_end(key)
        found: _MadeT = self._made[key]
        return found

    def close(self) -> None:
        """Give back what the connection holds."""
        self._publication.close()

    def _forget(self, ask: Ask) -> None:
        del ask
        self._made.clear()
