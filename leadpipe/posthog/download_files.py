"""Fetching the files of exports: from another host than PostHog's, by addresses that end, onto disk.

Belongs here: the address of a file, how often to try, and what it means if it does not come. Does not belong
here: exports (`downloads.py`), the transfer itself (`transfers.py`), what is in a file.

The key is PostHog's alone: the store gets a client of its own that does not know it. An address is as good
as the file, so it is in no message, log or repr. A file has its name when it is whole and on disk, never
before; what is there of it until then is in `NAME.part`, which the next process begins anew: what a machine
that lost its power left there may be no bytes of the file.
"""

import errno
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from urllib.parse import unquote, urlsplit

import httpx
from pydantic import SecretStr

from leadpipe.errors import (
    ConfigurationError,
    DeadlineExceeded,
    DiskFull,
    ExportGone,
    FileNotWhole,
    ObjectNotFound,
    PostHogRefused,
)
from leadpipe.posthog.client import PostHog
from leadpipe.posthog.downloads import PATH, READING
from leadpipe.posthog.transfers import AddressEnded, BrokenOff, Transfer

_ATTEMPTS = 200
_FUTILE_ATTEMPTS = 6
"""In a row that bring no byte, after which a file is given up."""
_REFUSED_ADDRESSES = 3
"""In a row, each of them new."""
_FIRST_WAIT_SECONDS = 0.5
_LONGEST_WAIT_SECONDS = 30.0
_BAD_REQUEST = 400
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_MOMENT = r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+(?:Z|[+-][0-9]{2}:[0-9]{2})"
_SPAN = re.compile(rf"({_MOMENT})-({_MOMENT})(?:-[0-9]+)?\.[a-z]")


@dataclass(frozen=True)
class Fetched:
    """A file that is whole and on disk.

    Attributes:
        path: of the file.
        size: in bytes.
        requests: to the store.
        addresses: that were asked of PostHog.
    """

    path: Path
    size: int
    requests: int
    addresses: int


def fetch(
    posthog: PostHog,
    export_id: str,
    file_id: str,
    path: Path,
    *,
    deadline_seconds: float = 3600.0,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
    transport: httpx.BaseTransport | None = None,
) -> Fetched:
    """Bring a file onto disk, whole, in no more memory than a piece of it.

    A transfer that breaks off goes on where it was, if the store honours ranges and has the same file still;
    an address that has ended is asked for anew. Six attempts in a row without a byte end it.

    Args:
        posthog: the client that asks for addresses.
        export_id: of a complete export.
        file_id: one of its files.
        path: where the file goes; its folder is made. What is there is replaced.
        deadline_seconds: for everything.
        clock: monotonic seconds.
        sleep: waits so many seconds.
        transport: replaces the network to the store, for tests.

    Raises:
        ExportGone: PostHog or its store has no such file any more: ask for the export again.
        FileNotWhole: it did not arrive whole; nothing of it is left.
        DeadlineExceeded: it was not there in time; nothing of it is left.
        DiskFull: there is no room; nothing of it is left.
        ConfigurationError: the folder cannot be written to.
        PostHogRefused: PostHog does not give an address, or one that may not be used.
        PostHogUnavailable: PostHog gave no address by the deadline.
    """
    name = _name(export_id, file_id)
    transfer = Transfer(path, clock=clock, transport=transport)
    ends = clock() + deadline_seconds
    why, is_gone = "", False
    futile = refused = addresses = 0
    address: SecretStr | None = None
    try:
        for _ in range(_ATTEMPTS):
            before, asked = transfer.done, None
            if address is None:
                addresses += 1
                left = max(ends - clock(), _FIRST_WAIT_SECONDS)
                address = _address(posthog, export_id, file_id, deadline_seconds=left)
            try:
                transfer.attempt(address, ends)
            except AddressEnded as error:
                address, why, is_gone, refused = None, str(error), error.is_gone, refused + 1
            except BrokenOff as error:
                why, asked, refused = str(error), error.wait, 0
            else:
                transfer.finish()
                return Fetched(path, transfer.done, transfer.requests, addresses)
            futile = 0 if transfer.done > before else futile + 1
            if futile >= _FUTILE_ATTEMPTS or refused >= _REFUSED_ADDRESSES:
                break
            wait = _wait(futile, asked)
            if clock() + wait >= ends:
                raise DeadlineExceeded(
                    f"{name!r}: {transfer.told} were there after {deadline_seconds:g} s, then {why}. "
                    "Nothing of it was kept; the next run fetches it again.",
                    request_name=name,
                )
            sleep(wait)
    except OSError as error:
        raise _of_disk(error, path) from None
    finally:
        transfer.close()
    if refused and is_gone:
        raise ExportGone(f"PostHog's store has no {name} any more. {_AGAIN}", request_name=name)
    raise FileNotWhole(
        f"{name!r} did not arrive whole in {transfer.requests} attempts: {transfer.told}, then {why}. "
        "Nothing of it was kept; the next run fetches it again.",
        request_name=name,
    )


def span_of(posthog: PostHog, export_id: str, file_id: str) -> tuple[datetime, datetime] | None:
    """The span of an export, which only the names of its files tell; None if they do not.

    Asks PostHog for an address and not the store for the file. Errors as for `query`, and `ExportGone`.
    """
    address = _address(posthog, export_id, file_id)
    name = unquote(urlsplit(address.get_secret_value()).path).rpartition("/")[2]
    found = _SPAN.match(name)
    if found is None:
        return None
    return datetime.fromisoformat(found[1]), datetime.fromisoformat(found[2])


_AGAIN = "Ask for the export again."


def _name(export_id: str, file_id: str) -> str:
    return f"file {file_id} of export {export_id}"


def _wait(futile: int, asked: float | None) -> float:
    """As the store asks, else longer the more attempts brought nothing."""
    if asked is not None:
        return max(asked, _FIRST_WAIT_SECONDS)
    return float(min(_FIRST_WAIT_SECONDS * 2**futile, _LONGEST_WAIT_SECONDS))


def _address(
    posthog: PostHog, export_id: str, file_id: str, *, deadline_seconds: float | None = None
) -> SecretStr:
    """An address of the file that may be used.

    Raises:
        ExportGone: the file has expired, or there is none.
        PostHogRefused: the address is no https, and PostHog itself is.
    """
    name = _name(export_id, file_id)
    try:
        address = posthog.redirect(
            f"{PATH}{export_id}/download/{file_id}/",
            name=f"the address of {name}",
            scope=READING,
            thing=name,
            deadline_seconds=deadline_seconds,
        )
    except PostHogRefused as error:
        has_expired = error.status == _BAD_REQUEST and "expired" in str(error)
        if not (has_expired or isinstance(error, ObjectNotFound)):
            raise
        raise ExportGone(
            f"PostHog has no {name} any more. {_AGAIN}", status=error.status, request_name=name
        ) from None
    if not _is_usable(address, posthog.host):
        raise PostHogRefused(
            f"PostHog's answer to {name!r} sends us to an address that is no https address of a file, so it "
            "is not followed. POSTHOG_BASE_URL should be the address of PostHog itself, not of a login in "
            "front of it.",
            request_name=name,
        )
    return address


def _is_usable(address: SecretStr, host: str) -> bool:
    """Whether nobody on the way can read along; plain http only where PostHog itself is reached so."""
    try:
        parts = urlsplit(address.get_secret_value())
        url, _ = httpx.URL(address.get_secret_value()), parts.port
    except (ValueError, httpx.InvalidURL):
        return False
    is_plain = parts.username is None and re.fullmatch(r"[\w.:-]+", parts.hostname or "")
    return bool(is_plain) and url.scheme in {"https", urlsplit(host).scheme}


def _of_disk(error: OSError, path: Path) -> DiskFull | ConfigurationError:
    if error.errno in _FULL:
        return DiskFull(
            f"{path.parent} has no room for {path.name}. What came of it was removed; make room there "
            "and run it again."
        )
    return ConfigurationError(f"{path.name} cannot be written to {path.parent}: {error.strerror}.")
