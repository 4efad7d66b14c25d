"""The store behind file downloads: an S3 of a few pages on an address of its own.

Belongs here: pre-signed addresses and their end, ranges, ETags, S3's refusals, and what goes wrong in a
transfer. Does not belong here: who may have an address (`file_download_api.py`).

It stands on another port than PostHog, as S3 stands on another host: whoever sends the API key here is
refused, as S3 refuses two ways to sign in, and `requests` tells.
"""

import asyncio
import hashlib
import secrets
import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode
from xml.sax.saxutils import escape

from starlette.datastructures import Headers, QueryParams
from starlette.types import Receive, Scope, Send

from posthog_sandbox.clock import Clock

_CHUNK = 256 * 1024
_PARTIAL = 206
_SIGNATURE = "X-Amz-Signature"
KINDS = frozenset(
    (
        *("cut", "slow", "stall", "no_range", "no_etag", "changed", "no_length"),
        *("error_500", "slow_down_503", "forbidden_403", "expired_token_400", "missing_404"),
        *("page", "redirect"),
    )
)


@dataclass(frozen=True)
class StoredFile:
    """A file of the store; `etag` is as S3 makes it of uploads in parts."""

    id: str
    key: str
    path: Path
    size: int
    etag: str
    kept_until: datetime


@dataclass
class StoreFault:
    """What goes wrong with the next transfers.

    Kinds: `cut` (after `bytes`), `slow` (`seconds` between pieces of `bytes`), `stall` (`seconds` before the
    answer), `no_range` (the whole file whatever range is asked), `no_etag`, `no_length`, `changed` (another
    ETag than before, and a range only if no ETag must match), `error_500`, `slow_down_503`, `forbidden_403`,
    `expired_token_400`, `missing_404`, `page` (a web page with status 200), `redirect` (to `url`).
    """

    kind: str
    times: int = 1
    after: int = 0
    options: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(
                f"No fault of the store is called {self.kind!r}; there are {sorted(KINDS)}."
            )

    def option(self, name: str, default: float) -> float:
        """A number among the options."""
        return float(self.options.get(name, default))


@dataclass
class StoreRequest:
    """One request that reached the store."""

    key: str
    range: str | None
    has_authorization: bool
    headers: dict[str, str]
    status: int = 0


@dataclass(frozen=True)
class _Address:
    file: StoredFile
    expires_at: datetime
    seconds: int


class _Denied(Exception):  # noqa: N818 - an answer
    def __init__(self, status: int, code: str, message: str, more: str = "") -> None:
        super().__init__(code)
        self.status = status
        ids = f"<RequestId>{secrets.token_hex(8).upper()}</RequestId><HostId>sandbox</HostId>"
        self.body = (
            '<?xml version="1.0" encoding="UTF-8"?>\n'
            f"<Error><Code>{code}</Code><Message>{escape(message)}</Message>{more}{ids}</Error>"
        ).encode()


class FileStore:
    """Files by key, and the addresses that were given out; an ASGI application."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.url = ""
        self.clear()

    def clear(self) -> None:
        """Forget files, addresses, faults and requests."""
        self._files: dict[str, StoredFile] = {}
        self._addresses: dict[str, _Address] = {}
        self.faults: list[StoreFault] = []
        self.requests: list[StoreRequest] = []

    def add(self, key: str, path: Path, kept_until: datetime) -> StoredFile:
        """Keep a file under a key."""
        digest = hashlib.md5(usedforsecurity=False)
        with path.open("rb") as file:
            while chunk := file.read(1024 * 1024):
                digest.update(chunk)
        etag = f'"{digest.hexdigest()}-1"'
        stored = StoredFile(str(uuid.uuid4()), key, path, path.stat().st_size, etag, kept_until)
        self._files[key] = stored
        return stored

    def sign(self, stored: StoredFile, seconds: float) -> str:
        """An address of the file, good for so long by the server's clock."""
        now = self._clock.now()
        token = secrets.token_hex(32)
        self._addresses[token] = _Address(stored, now + timedelta(seconds=seconds), int(seconds))
        name = stored.key.rpartition("/")[2]
        signed = {
            "response-content-disposition": f'attachment; filename="{name}"',
            "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
            "X-Amz-Credential": f"ASIASANDBOX/{now:%Y%m%d}/us-east-1/s3/aws4_request",
            "X-Amz-Date": f"{now:%Y%m%dT%H%M%SZ}",
            "X-Amz-Expires": str(int(seconds)),
            "X-Amz-SignedHeaders": "host",
            "X-Amz-Security-Token": secrets.token_urlsafe(24),
            _SIGNATURE: token,
        }
        return f"{self.url}/{quote(stored.key)}?{urlencode(signed)}"

    def seen(self) -> list[dict[str, Any]]:
        """The requests so far."""
        return [asdict(one) for one in self.requests]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        del receive
        if scope["type"] != "http":
            return
        headers = Headers(scope=scope)
        noted = StoreRequest(
            key=scope["path"].lstrip("/"),
            range=headers.get("range"),
            has_authorization="authorization" in headers or "cookie" in headers,
            headers=dict(headers.items()),
        )
        self.requests.append(noted)
        fault = self._fault()
        try:
            await self._answer(scope, send, headers, noted, fault)
        except _Denied as denied:
            noted.status = denied.status
            kind = {"content-type": "application/xml"}
            await _start(send, denied.status, {**kind, "content-length": str(len(denied.body))})
            await send({"type": "http.response.body", "body": denied.body})

    def _fault(self) -> StoreFault | None:
        for fault in self.faults:
            if fault.times == 0:
                continue
            if fault.after > 0:
                fault.after -= 1
                continue
            if fault.times > 0:
                fault.times -= 1
            return fault
        return None

    async def _answer(
        self,
        scope: Scope,
        send: Send,
        headers: Headers,
        noted: StoreRequest,
        fault: StoreFault | None,
    ) -> None:
        kind = fault.kind if fault else ""
        if fault is not None and kind == "stall":
            await asyncio.sleep(fault.option("seconds", 1.0))
        stored = self._checked(scope, headers)
        _refuse(kind)
        if fault is not None and kind == "redirect":
            noted.status = 302
            where = {"location": str(fault.options["url"]), "content-length": "0"}
            await _start(send, 302, where)
            await send({"type": "http.response.body", "body": b""})
            return
        if kind == "page":
            noted.status = 200
            await _start(send, 200, {"content-type": "text/html"})
            await send({"type": "http.response.body", "body": b"<html>Sign in</html>"})
            return
        etag = '"changed-1"' if kind == "changed" else stored.etag
        if headers.get("if-match") not in {None, "*", etag}:
            message = "At least one of the pre-conditions you specified did not hold"
            raise _Denied(412, "PreconditionFailed", message)
        first, last = 0, stored.size - 1
        status = 200
        asked = headers.get("range")
        if asked is not None and kind != "no_range":
            first, last = _range(asked, stored.size)
            status = _PARTIAL
        noted.status = status
        answer = {
            "content-type": "binary/octet-stream",
            "content-length": str(last - first + 1),
            "accept-ranges": "bytes",
            "etag": etag,
            "date": format_datetime(self._clock.now(), usegmt=True),
        }
        if status == _PARTIAL:
            answer["content-range"] = f"bytes {first}-{last}/{stored.size}"
        if kind in {"no_etag", "no_length"}:
            del answer["etag" if kind == "no_etag" else "content-length"]
        await _start(send, status, answer)
        await _send_file(send, stored.path, first, last, fault)

    def _checked(self, scope: Scope, headers: Headers) -> StoredFile:
        query = QueryParams(scope["query_string"])
        if "authorization" in headers:
            message = (
                "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature "
                "query string parameter or the Authorization header should be specified"
            )
            raise _Denied(400, "InvalidArgument", message)
        address = self._addresses.get(query.get(_SIGNATURE, ""))
        if address is None or scope["path"] != f"/{address.file.key}":
            raise _Denied(403, "AccessDenied", "Access Denied")
        now = self._clock.now()
        if now >= address.expires_at:
            times = (
                f"<X-Amz-Expires>{address.seconds}</X-Amz-Expires>"
                f"<Expires>{address.expires_at:%Y-%m-%dT%H:%M:%SZ}</Expires>"
                f"<ServerTime>{now:%Y-%m-%dT%H:%M:%SZ}</ServerTime>"
            )
            raise _Denied(403, "AccessDenied", "Request has expired", times)
        stored = self._files.get(address.file.key)
        if stored is None or not stored.path.exists():
            raise _Denied(404, "NoSuchKey", "The specified key does not exist.")
        return stored


def _refuse(kind: str) -> None:
    answers: Mapping[str, tuple[int, str, str]] = {
        "error_500": (500, "InternalError", "We encountered an internal error. Please try again."),
        "slow_down_503": (503, "SlowDown", "Please reduce your request rate."),
        "forbidden_403": (403, "AccessDenied", "Access Denied"),
        "expired_token_400": (400, "ExpiredToken", "The provided token has expired."),
        "missing_404": (404, "NoSuchKey", "The specified key does not exist."),
    }
    if kind in answers:
        raise _Denied(*answers[kind])


def _range(asked: str, size: int) -> tuple[int, int]:
    first, _, last = asked.removeprefix("bytes=").partition("-")
    begin = int(first)
    end = min(int(last) if last else size - 1, size - 1)
    if begin >= size:
        raise _Denied(416, "InvalidRange", "The requested range is not satisfiable")
    return begin, end


async def _start(send: Send, status: int, headers: Mapping[str, str]) -> None:
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": status, "headers": raw})


async def _send_file(
    send: Send, path: Path, first: int, last: int, fault: StoreFault | None
) -> None:
    kind = fault.kind if fault else ""
    left = last - first + 1
    if fault is not None and kind == "cut":
        left = min(left, int(fault.option("bytes", 100)))
    size = int(fault.option("bytes", 4096)) if fault is not None and kind == "slow" else _CHUNK
    with path.open("rb") as file:
        file.seek(first)
        while left > 0 and (piece := file.read(min(size, left))):
            left -= len(piece)
            await send({"type": "http.response.body", "body": piece, "more_body": True})
            if fault is not None and kind == "slow":
                await asyncio.sleep(fault.option("seconds", 0.1))
    if kind != "cut":  # else the promised length is not there, and the server closes
        await send({"type": "http.response.body", "body": b""})
