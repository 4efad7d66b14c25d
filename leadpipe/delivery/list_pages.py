"""What one page of a partner's list holds, and what it says of further pages.

Pure. Belongs here: the words by which partners say that there is more. Whether the list is whole is decided
in `listing.py`.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from leadpipe.delivery.reading import UnreadableJson, decoded
from leadpipe.errors import PartnerUnavailable

_LISTS = (
    "leads", "items", "results", "data", "records", "entries", "rows", "content", "value", "values",
    "elements", "objects", "hits", "collection", "result", "list", "response",
)  # fmt: skip
_ENVELOPES = {
    *(
        "meta",
        "metadata",
        "pagination",
        "paging",
        "page",
        "pageinfo",
        "paginginfo",
        "links",
        "info",
    ),
    *(
        "data",
        "result",
        "response",
        "cursors",
        "cursor",
        "paginator",
        "collection",
        "pages",
        "list",
    ),
}
_NEXT = {
    *(
        "next",
        "nexturl",
        "nextpage",
        "nextpageurl",
        "nextlink",
        "nexthref",
        "odatanextlink",
        "nextoffset",
    ),
    *(
        "nextcursor",
        "nextpagetoken",
        "nexttoken",
        "nextpagecursor",
        "nextid",
        "nextkey",
        "continuationtoken",
    ),
    *(
        "continuation",
        "continue",
        "scrollid",
        "bookmark",
        "endcursor",
        "cursor",
        "after",
        "cursornext",
    ),
}
_MORE = {
    *(
        "hasmore",
        "more",
        "hasnext",
        "hasnextpage",
        "hasmorepages",
        "moreavailable",
        "moreresults",
        "ismore",
    ),
    *(
        "truncated",
        "istruncated",
        "incomplete",
        "isincomplete",
        "partial",
        "remaining",
        "incompleteresults",
    ),
}
_LAST = {
    "last",
    "islast",
    "lastpage",
    "islastpage",
    "complete",
    "iscomplete",
    "done",
    "eof",
    "final",
}
_TOTAL = {
    *(
        "total",
        "totalcount",
        "totalitems",
        "totalresults",
        "totalrecords",
        "totalelements",
        "totalleads",
    ),
    *("count", "totalrows", "totalhits", "recordsfiltered", "found", "numfound", "resultcount"),
}
_PAGES_OWN = {"count", "found", "numfound", "resultcount"}
_PAGES = {"totalpages", "pagecount", "pages", "lastpage", "numpages", "pagestotal", "numberofpages"}
_PAGE = {"page", "currentpage", "pagenumber", "pagenum", "pageno", "pageindex", "number"}
_SIZE = {
    "perpage",
    "pagesize",
    "limit",
    "size",
    "itemsperpage",
    "maxresults",
    "pagelimit",
    "rowsperpage",
}
_OFFSET = {"offset", "skip", "start", "startindex", "from"}
_TOTAL_HEADERS = ("x-total-count", "x-total", "total-count", "x-pagination-total-count")
_PAGES_HEADERS = ("x-total-pages", "x-pagination-page-count", "x-page-count")
_HARMLESS = re.compile(
    r"prev|^first|^self$|^path$|^to$|^last|^numberofelements$|^empty$|^sort|^requestid$|^startcursor$"
    r"|^returned$|^hasprev|^before$|^currentcursor$"
)
_SMELL = re.compile(
    r"page|paging|pagin|next|cursor|offset|more|total|continu|truncat|partial|remain|scroll"
)
_LINK_NEXT = re.compile(r'<([^>]*)>[^,]*;\s*rel="?[^",]*\bnext\b', re.IGNORECASE)
_RANGE = re.compile(r"[a-z]*\s*(?:(\d+)-(\d+)|\*)/(\d+|\*)", re.IGNORECASE)
_SIGNS = re.compile(r"[^a-z0-9]")


@dataclass(frozen=True)
class Answer:
    """What came back: status, headers in any case, the body."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass
class Page:
    """A page, and what it says of others.

    Args:
        items: the leads on it.
        next_url: the address of the next page.
        cursor: what leads to the next page: the parameter's name, and its value.
        next_number: the same for the number of a page, or of a lead.
        has_more: what it says of more in so many words.
        says_end: it names no next page where it would name one.
        total: of all pages.
        pages: how many there are.
        page: the parameter's name, and this page's number.
        offset: the same for an offset.
        size: how many leads a page has.
        unknown: what looks like a word about pages, and is not understood.
    """

    items: list[dict[str, Any]]
    next_url: str | None = None
    cursor: tuple[str, str] | None = None
    next_number: tuple[str, str] | None = None
    has_more: bool | None = None
    says_end: bool = False
    total: int | None = None
    pages: int | None = None
    page: tuple[str, int] | None = None
    offset: tuple[str, int] | None = None
    size: int | None = None
    unknown: list[str] = field(default_factory=list)


def read_page(answer: Answer) -> Page:
    """A page of a partner's list.

    Raises:
        PartnerUnavailable: it is none.
    """
    try:
        content = decoded(answer.body)
    except UnreadableJson:
        content = None
    found = _list_in(content)
    if answer.status not in {200, 206} or found is None:
        raise PartnerUnavailable(
            f"The partner's list: HTTP {answer.status} and no list of leads. Check NPA_LIST_PATH, or set "
            "it to none and compare with a CSV."
        )
    if isinstance(content, dict) and _is_error(content):
        raise PartnerUnavailable("The partner's list: HTTP 200 with an error inside.")
    if not all(isinstance(item, dict) for item in found):
        raise PartnerUnavailable("The partner's list has entries that are no objects.")
    page = Page(found)
    _read_headers(page, {name.lower(): value for name, value in answer.headers.items()})
    if answer.status == 206 and page.total is None:  # noqa: PLR2004
        page.unknown.append("HTTP 206")
    if isinstance(content, dict):
        for name, value, is_top in _told(content, found, is_top=True):
            _note(page, name, value, is_top=is_top)
    return page


def _list_in(content: object, depth: int = 0) -> list[Any] | None:
    if isinstance(content, list):
        return content
    if not isinstance(content, dict) or depth > 2:  # noqa: PLR2004
        return None
    named = {_plain(name): value for name, value in content.items()}
    for name in _LISTS:
        if isinstance(named.get(name), list):
            return list(named[name])
    for name in (*_LISTS, "embedded", "payload", "body"):
        inner = _list_in(named.get(name), depth + 1) if isinstance(named.get(name), dict) else None
        if inner is not None:
            return inner
    return None


def _is_error(content: Mapping[str, object]) -> bool:
    named = {_plain(name): value for name, value in content.items()}
    said = (str(named.get(name, "true")).casefold() for name in ("success", "ok"))
    status = str(named.get("status", "")).casefold()
    return (
        any(one in {"false", "0", "no"} for one in said)
        or any(named.get(name) for name in ("error", "errors", "exception"))
        or status in {"error", "failed", "failure", "fail"}
    )


def _told(
    content: Mapping[str, object], items: object, *, is_top: bool
) -> Iterator[tuple[str, object, bool]]:
    """What an answer says beside its leads, at its top and in what wraps it."""
    for name, value in content.items():
        if isinstance(value, dict) and (_plain(name) in _ENVELOPES or _list_in(value) == items):
            if _plain(name) == "next" and "href" in value:
                yield name, value, is_top
            else:
                yield from _told(value, items, is_top=False)
        elif not isinstance(value, list):
            yield name, value, is_top


def _read_headers(page: Page, headers: Mapping[str, str]) -> None:
    link = headers.get("link", "")
    if found := _LINK_NEXT.search(link):
        page.next_url = found[1].strip()
    page.says_end = page.next_url is None and "page" in link.casefold()
    totals = [headers[name] for name in _TOTAL_HEADERS if headers.get(name, "").isdigit()]
    pages = [headers[name] for name in _PAGES_HEADERS if headers.get(name, "").isdigit()]
    page.total = int(totals[0]) if totals else None
    page.pages = int(pages[0]) if pages else None
    if number := headers.get("x-next-page", "").strip():
        page.next_number = ("page", number)
    for name in ("x-next-cursor", "x-continuation-token"):
        if value := headers.get(name, "").strip():
            page.cursor = ("cursor", value)
    if found := _RANGE.fullmatch(headers.get("content-range", "").strip()):
        if found[3].isdigit():
            page.total = int(found[3])
            page.offset = ("offset", int(found[1] or 0))
        else:
            page.unknown.append("Content-Range")


def _note(page: Page, name: str, value: object, *, is_top: bool) -> None:  # noqa: C901, PLR0911, PLR0912 - a table
    plain = _plain(name)
    number = _number(value)
    if plain in _NEXT:
        _note_next(page, name, plain, value)
        return
    if plain in _MORE or (plain in _LAST and isinstance(value, bool)):
        if (said := _truth(value)) is None:
            page.unknown.append(name)
        elif plain in _MORE:
            page.has_more = said if page.has_more is None else page.has_more or said
        else:
            page.has_more = not said
        return
    if plain in _PAGES and number is not None:
        page.pages = number
        return
    if number is not None:
        if plain in _TOTAL:
            # Under some names it may be the number of leads on this page.
            if plain not in _PAGES_OWN or number > len(page.items):
                page.total = number if page.total is None else max(page.total, number)
            return
        if plain in _PAGE:
            page.page = (_page_name(name, plain), number)
            return
        if plain in _SIZE:
            page.size = number if number > 0 else None
            return
        if plain in _OFFSET:
            page.offset = (name, number)
            return
    is_empty = value is None or value is False or value in ("", 0)
    if is_empty or _HARMLESS.search(plain) or isinstance(value, dict):
        return
    if _SMELL.search(plain) or (
        not is_top and plain in {*_TOTAL, *_PAGE, *_PAGES, *_SIZE, *_OFFSET}
    ):
        page.unknown.append(name)


def _note_next(page: Page, name: str, plain: str, value: object) -> None:
    if isinstance(value, dict):
        value = value.get("href") or value.get("url") or value.get("cursor")
    if value is None or value is False or value in ("", 0):
        page.says_end = True
        return
    text = str(value).strip()
    if text.startswith(("http://", "https://", "/", "?")):
        page.next_url = page.next_url or text
    elif value is True:
        page.has_more = True
    elif plain == "nextoffset":
        page.next_number = ("offset", text)
    elif plain in {"next", "nextpage"} and text.isdigit():
        page.next_number = ("page", text)
    elif page.cursor is None or plain not in {"cursor", "after", "endcursor"}:
        page.cursor = (_cursor_name(name, plain), text)


def _cursor_name(name: str, plain: str) -> str:
    """The parameter that takes a cursor, by the name under which it came: next_page_token, page_token."""
    if plain in {"endcursor", "after"}:
        return "after"
    if plain in {"next", "nextcursor", "nextpagecursor", "cursor", "cursornext", "nextpage"}:
        return "cursor"
    if plain in {"nextpagetoken", "nextid", "nextkey"}:
        rest = re.sub(r"^next_?", "", name, flags=re.IGNORECASE)
        return rest[:1].lower() + rest[1:]
    return name


def _page_name(name: str, plain: str) -> str:
    return "page" if plain in {"page", "currentpage", "number", "pageindex"} else name


def _number(value: object) -> int | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value if value >= 0 else None
    text = str(value)
    return int(text) if isinstance(value, str) and text.isascii() and text.isdigit() else None


def _truth(value: object) -> bool | None:
    if isinstance(value, bool | int):
        return bool(value)
    said = str(value if value is not None else "false").casefold()
    return {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}.get(said)


def _plain(name: object) -> str:
    return _SIGNS.sub("", str(name).casefold())
