"""What the HTTP library logs of addresses: never a query, never where an answer sends us.

A query may hold personal data, or the signature of an address that opens a file to whoever has it; so may
the `Location` of an answer. The library logs the first at INFO and the second at DEBUG. Whether anything is
logged is not decided here.
"""

import logging
import re

import httpx

_LOCATION = re.compile(r"\(b'location', b(?:'[^']*'|\"[^\"]*\")\)", re.IGNORECASE)
_HEADER_LOGGERS = ("httpcore.http11", "httpcore.http2")


class _WithoutQueries(logging.Filter):
    """Addresses among a record's arguments lose their query."""

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple):
            record.args = tuple(map(_without_query, record.args))
        return True


class _WithoutLocations(logging.Filter):
    """Headers in a record's text lose the address in `Location`."""

    def filter(self, record: logging.LogRecord) -> bool:
        text = record.getMessage()
        shown = _LOCATION.sub("(b'location', b'[address]')", text)
        if shown != text:
            record.msg, record.args = shown, ()
        return True


_OF_REQUESTS, _OF_HEADERS = _WithoutQueries(), _WithoutLocations()


def install() -> None:
    """Let the HTTP library's loggers keep addresses to themselves; safe to call often."""
    logging.getLogger("httpx").addFilter(_OF_REQUESTS)
    for name in _HEADER_LOGGERS:
        logging.getLogger(name).addFilter(_OF_HEADERS)


def _without_query(value: object) -> object:
    if isinstance(value, httpx.URL) and value.query:
        return f"{value.copy_with(query=None)}?[query]"
    return value
