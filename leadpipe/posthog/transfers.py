"""One file on its way from a store onto disk: a request, what came of it, and taking it up again.

Belongs here: ranges, ETags, lengths, the file that grows, and what an answer of the store means. Does not
belong here: addresses and how often to try (`download_files.py`).
"""

import contextlib
import errno
import importlib.metadata
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import httpx
from pydantic import SecretStr

from leadpipe.http import deadlines as wire
from leadpipe.http import discretion, trust
from leadpipe.http.waits import retry_after_seconds
from leadpipe.posthog import hosts

CHUNK_BYTES = 1024 * 1024
CONNECT_SECONDS = 10.0
SILENCE_SECONDS = 60.0
_JUST_NOW_SECONDS = 0.01
_WHOLE, _PART = 200, 206
_OTHER_FILE = {412, 416}
_ADDRESS_ENDED = {400, 401, 403, 404, 410}
"""S3 answers 403 for an address that has ended, or 400 where the token behind it did so first."""
_FILE_GONE = {404, 410}
_PASSING = {408, 425, 429}
_SERVER_ERRORS = 500


class AddressEnded(Exception):  # noqa: N818 - not an error yet
    """The store does not let the address in, or has no file there, which `is_gone` says."""

    def __init__(self, status: int) -> None:
        super().__init__(f"the store refused its address with status {status}")
        self.is_gone = status in _FILE_GONE


class BrokenOff(Exception):  # noqa: N818 - not an error yet
    """The transfer did not go through; `wait` is what the store asks for, in seconds."""

    def __init__(self, words: str, *, wait: float | None = None) -> None:
        super().__init__(words)
        self.wait = wait


class Transfer:
    """One file: what there is of it, in `NAME.part`, and of which file that is.

    Attributes:
        done: bytes that are there.
        size: of the whole file; None where the store does not say, or nothing came yet.
        requests: to the store.

    Args:
        path: the file's name once it is whole.
        clock: monotonic seconds.
        transport: replaces the network, for tests.
    """

    def __init__(
        self, path: Path, *, clock: Callable[[], float], transport: httpx.BaseTransport | None
    ) -> None:
        self.done = 0
        self.size: int | None = None
        self.requests = 0
        self._path = path
        self._part = path.with_name(f"{path.name}.part")
        self._etag: str | None = None
        self._clock = clock
        self._deadlines = wire.Deadlines(clock)
        self._transport = transport
        self._file: BinaryIO | None = None
        self._http: httpx.Client | None = None

    @property
    def told(self) -> str:
        """How far it is, for people."""
        return f"{self.done} of {'unknown' if self.size is None else self.size} bytes"

    def attempt(self, address: SecretStr, ends: float) -> None:
        """Bring the rest of the file; returns when it is whole.

        Args:
            address: where it is.
            ends: when to stop, in the clock's seconds.

        Raises:
            AddressEnded: another address is needed.
            BrokenOff: the rest of it did not come.
            OSError: the disk does not take it.
        """
        client = self._client(address)
        headers = {"Accept-Encoding": "identity"}
        if self.done and self._etag:
            headers |= {"Range": f"bytes={self.done}-", "If-Match": self._etag}
        self.requests += 1
        silence = min(max(ends - self._clock(), _JUST_NOW_SECONDS), SILENCE_SECONDS)
        timeout = httpx.Timeout(silence, connect=min(silence, CONNECT_SECONDS))
        url = address.get_secret_value
        try:
            with (
                self._deadlines.until(ends),
                client.stream("GET", url(), headers=headers, timeout=timeout) as response,
            ):
                self._receive(response, ends)
        except httpx.RequestError as error:
            # Only its kind: its text may name the address, its frames hold it.
            raise BrokenOff(f"the connection failed ({type(error).__name__})") from None

    def finish(self) -> None:
        """Give the file its name, once its bytes are on disk."""
        file = self._opened()
        file.flush()
        os.fsync(file.fileno())
        file.close()
        self._file = None
        self._part.replace(self._path)

    def close(self) -> None:
        """Remove what is not whole, and close connections."""
        if self._file is not None:
            with contextlib.suppress(OSError):  # what it could not write is removed next
                self._file.close()
            self._part.unlink(missing_ok=True)
        if self._http is not None:
            self._http.close()

    def _receive(self, response: httpx.Response, ends: float) -> None:
        _check_status(response.status_code, response.headers, self._begin_anew)
        etag = response.headers.get("etag")
        if response.status_code == _PART:
            first, size = _content_range(response.headers.get("content-range", ""))
            if first != self.done or etag != self._etag or size not in {None, self.size}:
                self._begin_anew()
                raise BrokenOff("the store has another file there now")
        else:
            self._begin_anew()
            self._etag = etag if etag and not etag.startswith("W/") else None
            self.size = _length(response.headers)
            self._check_room()
        file = self._opened()
        for chunk in response.iter_raw():
            file.write(chunk)
            self.done += len(chunk)
            if self._clock() >= ends:
                raise BrokenOff("the time was up")
        if self.size is not None and self.done != self.size:
            raise BrokenOff("it ended too early")

    def _check_room(self) -> None:
        """Rather now than after the hours that a large file takes."""
        if self.size is not None and self.size > shutil.disk_usage(self._part.parent).free:
            raise OSError(errno.ENOSPC, "The file is larger than what is free")

    def _begin_anew(self) -> None:
        self.done, self.size, self._etag = 0, None, None
        file = self._opened()
        file.seek(0)
        file.truncate()

    def _opened(self) -> BinaryIO:
        if self._file is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self._part.open("wb")
        return self._file

    def _client(self, address: SecretStr) -> httpx.Client:
        """A client that knows no key; a proxy could not reach our own loopback."""
        if self._http is None:
            discretion.install()
            is_loopback = hosts.is_loopback(address.get_secret_value())
            self._http = httpx.Client(
                transport=self._transport,
                trust_env=not is_loopback,
                verify=trust.authorities(is_loopback=is_loopback),
                headers={"User-Agent": f"leadpipe/{importlib.metadata.version('leadpipe')}"},
            )
            wire.install(self._http, self._deadlines)
        return self._http


def _check_status(status: int, headers: httpx.Headers, begin_anew: Callable[[], None]) -> None:
    if status in _ADDRESS_ENDED:
        raise AddressEnded(status)
    if status in _OTHER_FILE:
        begin_anew()
        raise BrokenOff("the store has another file there now")
    if status in _PASSING or status >= _SERVER_ERRORS:
        raise BrokenOff(f"the store answered {status}", wait=retry_after_seconds(headers))
    if headers.get("content-type", "").startswith("text/html"):
        raise BrokenOff("the store answered with a web page")
    if status not in {_WHOLE, _PART}:
        raise BrokenOff(f"the store answered {status}")


def _length(headers: httpx.Headers) -> int | None:
    """Bytes of the body; None where it comes in chunks, whose end cannot be missed."""
    length = headers.get("content-length", "")
    if length.isdecimal():
        return int(length)
    if headers.get("transfer-encoding", "").lower() != "chunked":
        raise BrokenOff("the store did not say how long it is")
    return None


def _content_range(text: str) -> tuple[int | None, int | None]:
    """First byte and whole size of `bytes 10-99/100`."""
    found = re.fullmatch(r"bytes ([0-9]+)-[0-9]+/([0-9]+|\*)", text.strip())
    if found is None:
        return None, None
    return int(found[1]), None if found[2] == "*" else int(found[2])
