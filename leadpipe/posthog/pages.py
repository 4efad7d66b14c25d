"""Lists that PostHog gives in pages of `limit` and `offset`.

Belongs here: asking for page after page until there is none, and what a page is. Does not belong
here: what is in the list (`cohorts.py`, `persons.py`).
"""

from collections.abc import Callable, Iterator, Mapping
from typing import TypeVar

import msgspec

from leadpipe.errors import PostHogUnavailable
from leadpipe.posthog.client import PostHog

T = TypeVar("T")


class Page(msgspec.Struct):
    """One page; `next` is an address we do not follow: behind a proxy it may name another host."""

    results: list[msgspec.Raw]
    next: str | None = None


def every_item(
    posthog: PostHog,
    path: str,
    *,
    shape: type[T],
    key: Callable[[T], object],
    name: str,
    scope: str,
    page_rows: int,
    parameters: Mapping[str, str | int] | None = None,
    thing: str = "",
) -> Iterator[T]:
    """Each item of the list once, page by page.

    Newest come first, so what is added meanwhile shifts the pages: items come twice, and are
    given once. What is deleted meanwhile can hide others; compare counts where that matters.

    Raises:
        PostHogUnavailable: a page says that there are more, yet brings nothing new.
    """
    seen: set[object] = set()
    offset, is_last = 0, False
    while not is_last:
        page = posthog.call(
            "GET",
            path,
            shape=Page,
            name=name,
            scope=scope,
            parameters={**(parameters or {}), "limit": page_rows, "offset": offset},
            thing=thing,
        )
        offset += len(page.results)
        is_last = not page.next
        known = len(seen)
        for row in page.results:
            item = _decoded(row, shape, name)
            if key(item) not in seen:
                seen.add(key(item))
                yield item
        if not is_last and len(seen) == known:
            raise PostHogUnavailable(
                f"{name!r}: the page at offset {offset} brought nothing new though PostHog says "
                "there are more. Ask again later.",
                request_name=name,
            )


def _decoded(row: msgspec.Raw, shape: type[T], name: str) -> T:
    try:
        return msgspec.json.decode(row, type=shape)
    except msgspec.DecodeError as error:
        raise PostHogUnavailable(
            f"An item of PostHog's answer to {name!r} cannot be read: {error}", request_name=name
        ) from None  # the original holds the item
