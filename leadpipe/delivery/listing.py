"""A partner's list, read until it is known to be whole.

How it is divided into pages is a setting, or told by the answers themselves: cursors, numbers of pages,
offsets, links in the body or in the `Link` header, total counts. What looks like a division and is not
understood is an error, never the end: what is wrongly believed to be missing would be sent twice. Does not
belong here: HTTP, and what the leads in the list mean.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from leadpipe.delivery.list_pages import Answer, Page, read_page
from leadpipe.errors import ConfigurationError, PartnerUnavailable

Style = Literal["auto", "whole", "cursor", "link", "page", "offset"]
Query = Mapping[str, str]
QUERY_NAMES = (
    "phone",
    "email",
    "key",
    "since",
    "until",
    "cursor",
    "page",
    "page_size",
    "offset",
    "limit",
)
_MOST_PAGES = 10_000
_ROUND = {
    10,
    20,
    25,
    30,
    40,
    50,
    100,
    150,
    200,
    250,
    300,
    400,
    500,
    1_000,
    2_000,
    2_500,
    5_000,
    10_000,
}
_HELP = "Say how in NPA_LIST_PAGING (whole, cursor, link, page or offset) and NPA_LIST_QUERY."


@dataclass(frozen=True)
class Paging:
    """How the partner divides its list.

    Args:
        style: auto: its answers tell. whole: it does not. The others: what they say.
        size: leads a page to ask for; None: as many as the partner gives.
        names: its names of query parameters, by ours (`QUERY_NAMES`).
    """

    style: Style = "auto"
    size: int | None = None
    names: Mapping[str, str] = field(default_factory=dict)

    def named(self, query: Mapping[str, object]) -> dict[str, str]:
        """A query under the partner's names."""
        return {self.names.get(name, name): str(value) for name, value in query.items()}


def checked_query_names(text: str) -> dict[str, str]:
    """The partner's names of query parameters as a person writes them: `since=created_after,cursor=token`.

    An empty name of phone or email says that the list cannot be asked for it.

    Raises:
        ConfigurationError: one that leadpipe does not send.
    """
    names: dict[str, str] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        ours, equals, theirs = (piece.strip() for piece in part.partition("="))
        if ours not in QUERY_NAMES or not equals or not (theirs or ours in {"phone", "email"}):
            raise ConfigurationError(
                f"NPA_LIST_QUERY: {part!r} cannot be used. Write name=the_partners_name with the names "
                f"{', '.join(QUERY_NAMES)}, separated by commas."
            )
        names[ours] = theirs
    return names


def read_list(
    fetch: Callable[[Query | str], Answer], asked: Mapping[str, object], paging: Paging
) -> list[dict[str, Any]]:
    """Every lead of a list, each once.

    Args:
        fetch: gets the list with a query, or a page of it by the address that the partner gave.
        asked: what to ask for, under our names.
        paging: how it is divided.

    Raises:
        PartnerUnavailable: it is no list, or not known to be whole; also from `fetch`.
    """
    return _Reading(fetch, paging, dict(paging.named(asked))).run()


class _Reading:
    def __init__(
        self, fetch: Callable[[Query | str], Answer], paging: Paging, asked: dict[str, str]
    ) -> None:
        self.fetch = fetch
        self.paging = paging
        self.asked = asked
        self.leads: dict[str, dict[str, Any]] = {}
        self.base = 1
        self.fetched = 0

    def run(self) -> list[dict[str, Any]]:
        query: Query | str | None = {**self.asked, **self._first()}
        followed: set[str] = set()
        for _ in range(_MOST_PAGES):
            if query is None:
                return list(self.leads.values())
            where = json.dumps(query, sort_keys=True)
            if where in followed:
                break
            followed.add(where)
            page = read_page(self.fetch(query))
            is_new = self._take(page)
            if page.items and not is_new and len(followed) > 1:
                break
            query = self._next(page)
        raise PartnerUnavailable(f"The partner's list does not end: its pages repeat. {_HELP}")

    def _first(self) -> dict[str, str]:
        size = self.paging.size
        match self.paging.style:
            case "page":
                return self.paging.named({"page": 1} | ({"page_size": size} if size else {}))
            case "offset":
                return self.paging.named({"offset": 0} | ({"limit": size} if size else {}))
            case _:
                return self.paging.named({"limit": size} if size else {})

    def _take(self, page: Page) -> bool:
        before = len(self.leads)
        self.fetched += 1
        for item in page.items:
            text = json.dumps(item, sort_keys=True, default=str)
            self.leads.setdefault(hashlib.sha256(text.encode()).hexdigest(), item)
        return len(self.leads) > before

    def _next(self, page: Page) -> Query | str | None:
        style = self.paging.style
        if style == "whole":
            return None
        if style in {"page", "offset"}:
            if not page.items or page.has_more is False:
                self._check_end(page)
                return None
            return self._numbered(style)
        return self._as_told(page)

    def _numbered(self, style: str) -> Query:
        number = self.fetched + 1 if style == "page" else len(self.leads)
        return {**self.asked, **self._first(), **self.paging.named({style: number})}

    def _as_told(self, page: Page) -> Query | str | None:
        """What the answer names as next; else by number, as long as it is not known to be the end."""
        if (named := self._named_next(page)) is not None:
            return named
        if page.unknown:
            raise _unclear(f"nobody knows whether it is whole: its answer has {page.unknown[0]!r}")
        if page.page is not None and self.fetched == 1:
            self.base = page.page[1]
        is_more = (
            page.has_more is True
            or (page.total is not None and len(self.leads) < page.total)
            or (page.pages is not None and page.pages > self.fetched)
        )
        is_end = page.says_end or page.has_more is False or {page.pages, page.total} != {None}
        is_short = page.size is not None and len(page.items) < page.size
        if page.items and (is_more or not (is_end or is_short)):
            if page.page is not None:
                return self._further("page", page.page[0], self.base + self.fetched)
            if page.offset is not None:
                return self._further("offset", page.offset[0], page.offset[1] + len(page.items))
        if is_more:
            raise _unclear("its answer says that there is more, and leadpipe cannot ask for it")
        is_full = page.size is not None and 0 < page.size <= len(page.items)
        is_told = is_end or is_short or self.fetched > 1
        if not is_told and (is_full or len(page.items) in _ROUND):
            raise _unclear(
                f"exactly {len(page.items)} leads, and no word of whether there are more"
            )
        self._check_end(page)
        return None

    def _named_next(self, page: Page) -> Query | str | None:
        if page.has_more is False:
            return None
        if page.next_url is not None:
            return page.next_url
        if page.cursor is not None:
            return self._further("cursor", *page.cursor)
        if page.next_number is not None:
            return self._further(page.next_number[0], *page.next_number)
        return None

    def _further(self, ours: str, theirs: str, value: object) -> Query:
        return {**self.asked, **self._first(), self.paging.names.get(ours, theirs): str(value)}

    def _check_end(self, page: Page) -> None:
        """The list ends here, if that is how many there should be."""
        if page.total is not None and len(self.leads) != page.total:
            raise _unclear(
                f"{len(self.leads)} leads came, and it says {page.total}; if it changed while it was read, "
                "try again"
            )


def _unclear(what: str) -> PartnerUnavailable:
    return PartnerUnavailable(f"The partner's list: {what}. {_HELP}")
