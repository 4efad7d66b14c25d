"""What a capture request carries: unpacked, decoded, split into events.

Belongs here: compression, base64 forms, the shapes of batches. Does not belong here: what becomes of
an event (`capture.py`).
"""

import base64
import binascii
import gzip
import json
import zlib
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

_GZIP_MAGIC = b"\x1f\x8b"
_LARGEST_BYTES = 20 * 1024 * 1024
_TOKEN_NAMES = ("api_key", "token", "$token")


class Undecodable(ValueError):  # noqa: N818 - an answer, not a mishap
    """The body is none of the forms that PostHog reads; the message is for the client."""


@dataclass(frozen=True)
class CaptureBody:
    """A request's events and what they share.

    Attributes:
        events: as sent; anything that is no object is dropped.
        token: the project's public key; None if there is none.
        sent_at: by the client's clock, as sent.
    """

    events: list[dict[str, Any]]
    token: str | None
    sent_at: str | None


def read_body(body: bytes, *, encoding: str = "", query: str = "") -> CaptureBody:
    """Read a request's body, or its `data` parameter, in any of the forms of PostHog's clients.

    Args:
        body: raw; gzip is recognised whatever the headers say, as browsers send it unmarked.
        encoding: the `Content-Encoding` header.
        query: the address after `?`.

    Raises:
        Undecodable: see there.
    """
    parameters = {name: values[-1] for name, values in parse_qs(query).items()}
    plain = _unpacked(body, encoding or parameters.get("compression", ""))
    if plain.lstrip()[:5] == b"data=":
        form = {name: values[-1] for name, values in parse_qs(plain.strip().decode()).items()}
        plain = _unbased(form.get("data", ""), form.get("compression", ""))
    elif not plain.strip() and "data" in parameters:
        plain = _unbased(parameters["data"], parameters.get("compression", ""))
    elif plain.strip()[:1] not in {b"{", b"["} and plain.strip():
        plain = _unbased(plain.decode("latin-1"), "")
    try:
        sent = json.loads(plain)
    except (ValueError, UnicodeDecodeError) as error:
        raise Undecodable(f"failed to parse request: {error}") from None
    return _split(sent, parameters)


def _unpacked(body: bytes, encoding: str) -> bytes:
    try:
        if body[:2] == _GZIP_MAGIC:
            unpacker = zlib.decompressobj(31)
            plain = unpacker.decompress(body, _LARGEST_BYTES)
            if unpacker.unconsumed_tail:
                raise Undecodable("failed to decode request: payload too large")
            return plain
        if encoding == "deflate":
            return zlib.decompress(body)
    except zlib.error as error:
        raise Undecodable(f"failed to decode request: {error}") from None
    return body


def _unbased(text: str, compression: str) -> bytes:
    if text.strip()[:1] in {"{", "["}:
        return text.encode()
    padded = text.strip().replace(" ", "+")  # a plus that the form did not escape
    try:
        decoded = base64.b64decode(padded + "=" * (-len(padded) % 4), validate=True)
        return (
            gzip.decompress(decoded) if compression.startswith("gzip") else _unpacked(decoded, "")
        )
    except (binascii.Error, OSError) as error:
        raise Undecodable(f"failed to decode request: {error}") from None


def _split(sent: object, parameters: dict[str, str]) -> CaptureBody:
    shared: dict[str, Any] = sent if isinstance(sent, dict) else {}
    if isinstance(sent, list):
        events = sent
    elif isinstance(shared.get("batch"), list):
        events = shared["batch"]
    elif isinstance(shared.get("data"), list):
        events = shared["data"]
    else:
        events = [shared]
    objects = [event for event in events if isinstance(event, dict)]
    return CaptureBody(
        events=objects,
        token=_token([shared, *objects], parameters),
        sent_at=shared.get("sent_at") or parameters.get("_"),
    )


def _token(candidates: list[dict[str, Any]], parameters: dict[str, str]) -> str | None:
    for candidate in candidates:
        properties = candidate.get("properties")
        for holder in (candidate, properties if isinstance(properties, dict) else {}):
            for name in _TOKEN_NAMES:
                if isinstance(holder.get(name), str) and holder[name]:
                    return str(holder[name])
    return parameters.get("token") or parameters.get("api_key")
