"""One connection to the current publication, kept open for a program that reads it all the time: the page.

A connection a view costs more than the view. It is opened anew when another publication has taken its place.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from leadpipe.published.reading import Ask, Publication, publication_folder
from leadpipe.warehouse import memory


class KeptPublication:
    """The current publication on a connection of its own; from any thread, one at a time.

    Args:
        folder: of the publications.
        prepare: makes tables of the connection's own, once a publication.
    """

    def __init__(self, folder: Path, prepare: Callable[[Ask], None]) -> None:
        self._folder = folder
        self._prepare = prepare
        self._lock = threading.RLock()
        self._opened = ExitStack()
        self._open: tuple[Path, Ask] | None = None

    @contextmanager
    def reading(self) -> Iterator[Ask]:
        """Ask questions of one publication; `prepare` has run on its connection.

        Raises:
            NotPublished: no run has published anything yet, or an older leadpipe has.
        """
        with self.alone():
            yield self.asking()

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Keep the connection, and what was made with it, to oneself."""
        with self._lock:
            yield

    def close(self) -> None:
        """Give back what the connection holds."""
        with self._lock:
            self._open = None
            self._opened.close()

    def asking(self) -> Ask:
        """Questions to the current publication, for who is `alone`.

        Raises:
            NotPublished: no run has published anything yet, or an older leadpipe has.
        """
        current = publication_folder(self._folder)
        if self._open is not None and self._open[0] == current:
            return self._open[1]
        self.close()
        # What people look at is small: more threads only cost more.
        connection = self._opened.enter_context(memory(threads=1))
        ask = Publication(connection, current).ask
        try:
            self._prepare(ask)
        except BaseException:
            self.close()
            raise
        self._open = (current, ask)
        return ask
