"""How PostHog sends a webhook: signed anew at each attempt, tried again by status, never redirected.

Belongs here: one delivery from its first attempt to its last. Does not belong here: which events go where
(`destinations.py`), and their bodies (`webhooks.py`).
"""

import asyncio
import base64
import hashlib
import hmac
import json
import math
import re
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx

_RETRIED = frozenset({408, 429, 500, 502, 503, 504})
_ATTEMPTS = 3
_ATTEMPTS_AT_429 = 6
_BACKOFF_SECONDS = 1.0
_MOST_BACKOFF_SECONDS = 30.0
_MOST_RETRY_AFTER_SECONDS = 300.0
_FAILED_FROM = 300  # a redirect is a failure
_PREFIX = "whsec_"
_BASE64 = re.compile(r"[A-Za-z0-9+/]+={0,2}")
_LEAST_KEY_BYTES = 24
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass
class Attempt:
    """One request: its status or why there was none, what was sent, how long the next one waits."""

    status: int | None
    error: str | None
    headers: Mapping[str, str]
    answer: str
    next_in_seconds: float | None = None


@dataclass
class Delivery:
    """One event on its way to one address; `outcome` is None while attempts are left."""

    uuid: str
    event: str
    body: str
    webhook_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    attempts: list[Attempt] = field(default_factory=list)
    outcome: str | None = None


@dataclass(frozen=True)
class Address:
    """Where to, and how.

    Args:
        url: may be anything a server can be asked by.
        method: as the destination is set up; GET has no body.
        headers: beside the default ones.
        signing_secret: base64 of at least 24 bytes, with or without `whsec_`; None signs nothing.
        wait_scale: what the waits between attempts are multiplied by; 0 for none.
        timeout_seconds: of an attempt.
    """

    url: str
    method: str = "POST"
    headers: Mapping[str, str] = field(default_factory=dict)
    signing_secret: str | None = None
    wait_scale: float = 1.0
    timeout_seconds: float = 10.0


async def send(
    delivery: Delivery,
    address: Address,
    client: httpx.AsyncClient,
    *,
    now: Callable[[], datetime],
    most_attempts: int | None = None,
) -> None:
    """Try until it is delivered, refused for good, or given up; `delivery` tells.

    Args:
        delivery: filled in.
        address: where to.
        client: follows no redirects.
        now: what signatures are made at.
        most_attempts: fewer than usual, as for the test button.
    """
    while delivery.outcome is None:
        headers = {
            "Content-Type": "application/json",
            "Accept": "application/json",
            **address.headers,
        }
        if address.signing_secret is not None:
            key = signing_key(address.signing_secret)
            if key is None:
                delivery.outcome = "not sent: the signing secret is no base64 of 24 bytes or more"
                return
            headers |= signature(delivery.webhook_id, delivery.body, key=key, at=now())
        attempt, retry_after = await _attempt(delivery, address, client, headers)
        delivery.attempts.append(attempt)
        most = most_attempts or (_ATTEMPTS_AT_429 if attempt.status == 429 else _ATTEMPTS)  # noqa: PLR2004
        if attempt.status is not None and attempt.status < _FAILED_FROM:
            delivery.outcome = "delivered"
        elif attempt.status is not None and attempt.status not in _RETRIED:
            delivery.outcome = "failed"
        elif len(delivery.attempts) >= most:
            delivery.outcome = "given up"
        else:
            waited = min(_BACKOFF_SECONDS * len(delivery.attempts), _MOST_BACKOFF_SECONDS)
            attempt.next_in_seconds = max(waited, retry_after_seconds(retry_after, now()))
            await asyncio.sleep(attempt.next_in_seconds * address.wait_scale)


async def _attempt(
    delivery: Delivery, address: Address, client: httpx.AsyncClient, headers: Mapping[str, str]
) -> tuple[Attempt, str | None]:
    has_body = address.method not in {"GET", "HEAD"}
    try:
        async with asyncio.timeout(address.timeout_seconds):
            answer = await client.request(
                address.method,
                address.url,
                content=delivery.body.encode() if has_body else None,
                headers=dict(headers),
            )
    except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as error:
        return Attempt(None, type(error).__name__, headers, ""), None
    return (
        Attempt(answer.status_code, None, headers, answer.text),
        answer.headers.get("retry-after"),
    )


def text_of(body: Mapping[str, Any]) -> str:
    r"""A body as PostHog writes JSON: UTF-8, with half an emoji as `\ud83d`."""
    text = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
    return _LONE_SURROGATE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def signing_key(secret: str) -> bytes | None:
    """The key that a secret stands for; None if PostHog would refuse to send."""
    encoded = secret.removeprefix(_PREFIX)
    if not _BASE64.fullmatch(encoded):
        return None
    bare = encoded.rstrip("=")
    bare = bare[:-1] if len(bare) % 4 == 1 else bare
    key = base64.b64decode(bare + "=" * (-len(bare) % 4))
    return key if len(key) >= _LEAST_KEY_BYTES else None


def signature(webhook_id: str, body: str, *, key: bytes, at: datetime) -> dict[str, str]:
    """The headers of Standard Webhooks."""
    moment = str(math.floor(at.timestamp()))
    digest = hmac.new(key, f"{webhook_id}.{moment}.{body}".encode(), hashlib.sha256).digest()
    return {
        "webhook-id": webhook_id,
        "webhook-timestamp": moment,
        "webhook-signature": f"v1,{base64.b64encode(digest).decode()}",
    }


def retry_after_seconds(header: str | None, now: datetime) -> float:
    """What a server asks for, up to five minutes; 0 where it asks for nothing that can be read."""
    if not header:
        return 0.0
    try:
        seconds = float(header)
    except ValueError:
        try:
            seconds = (parsedate_to_datetime(header) - now).total_seconds()
        except (TypeError, ValueError):
            return 0.0
    return (
        min(seconds, _MOST_RETRY_AFTER_SECONDS) if math.isfinite(seconds) and seconds > 0 else 0.0
    )
