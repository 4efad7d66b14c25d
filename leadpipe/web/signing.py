"""Signatures of webhooks (Standard Webhooks), with PostHog's reading of what a secret is.

Belongs here: which key a secret is, whether a signature is right, a secret that works. Does not belong here:
what a request without one gets (`guards.py`).
"""

import base64
import binascii
import re
import secrets
import time
from collections.abc import Mapping

from pydantic import SecretStr
from standardwebhooks import Webhook, WebhookVerificationError

from leadpipe.errors import ConfigurationError

SIGNATURE_HEADERS = ("webhook-id", "webhook-timestamp", "webhook-signature")
_PREFIX = "whsec_"
_BASE64 = re.compile(r"[A-Za-z0-9+/]+={0,2}")
_SIGNATURE = re.compile(r"v1,[A-Za-z0-9+/]{43}=")  # 32 bytes
_POSTHOG_LEAST_BYTES = 24  # with a shorter key PostHog sends nothing at all
_FRESH_BYTES = 32
_TOLERANCE_SECONDS = 5 * 60
_LEAST_CHARACTERS = 20
_MAKE_ONE = "Make one with `leadpipe webhook secret`, and put it here and into PostHog."


def fresh_secret() -> str:
    """A secret that PostHog can send as a header as well as sign with."""
    return _PREFIX + base64.b64encode(secrets.token_bytes(_FRESH_BYTES)).decode()


def can_sign(secret: SecretStr) -> bool:
    """Whether PostHog signs with it: base64 of 24 bytes or more, with or without `whsec_`."""
    return len(_decoded(secret.get_secret_value())) >= _POSTHOG_LEAST_BYTES


def is_signed(headers: Mapping[str, str]) -> bool:
    """Whether a request carries a Standard Webhooks signature."""
    return all(name in headers for name in SIGNATURE_HEADERS)


def may_be_right(headers: Mapping[str, str]) -> bool:
    """Whether a signature could be right, by its shape and time; looked at before a body is read."""
    moment = headers["webhook-timestamp"]
    if not (moment.isascii() and moment.isdigit() and len(moment) < 12):  # noqa: PLR2004 - seconds
        return False
    is_recent = abs(time.time() - int(moment)) <= _TOLERANCE_SECONDS
    return is_recent and any(map(_SIGNATURE.fullmatch, headers["webhook-signature"].split(" ")))


def has_right_signature(secret: SecretStr, body: bytes, headers: Mapping[str, str]) -> bool:
    """Verify a Standard Webhooks signature: of this body, and not older or newer than 5 minutes.

    A retry has the same `webhook-id` with a new time and signature, so it passes; what counts once is the
    event, by its uuid. The key is what the secret's base64 stands for; a sender that knows no base64 may sign
    with the plain characters of a secret without `whsec_`.
    """
    given = {name: headers[name] for name in SIGNATURE_HEADERS}
    return any(_verifies(key, body, given) for key in _keys(secret.get_secret_value()))


def check_length(setting: str, secret: SecretStr | None) -> None:
    """Refuse a secret that can be guessed.

    Raises:
        ConfigurationError: names the setting, never the secret.
    """
    if secret is not None and len(secret.get_secret_value().strip()) < _LEAST_CHARACTERS:
        raise ConfigurationError(
            f"{setting} has fewer than {_LEAST_CHARACTERS} characters, so it can be guessed. "
            "`leadpipe webhook secret` makes one that cannot."
        )


def check_signing_secret(setting: str, secret: SecretStr | None) -> None:
    """Refuse a `whsec_` secret that holds no key, with which nothing could be signed, and one that is short.

    Raises:
        ConfigurationError: names the setting, never the secret.
    """
    _check_key(setting, secret.get_secret_value() if secret is not None else "")
    check_length(setting, secret)


def _check_key(setting: str, text: str) -> None:
    if not text.startswith(_PREFIX) or len(_decoded(text)) >= _POSTHOG_LEAST_BYTES:
        return
    try:
        key = base64.b64decode(text.removeprefix(_PREFIX), validate=True)
    except ValueError:
        key = b""
    if not key:
        raise ConfigurationError(
            f"{setting} begins with {_PREFIX} but no key in base64 follows. Copy the whole secret from "
            "where webhooks are configured, or choose one that begins with something else."
        )


def check_posthog_secret(setting: str, secret: SecretStr | None) -> None:
    """Refuse a secret that PostHog could neither send as a header nor sign with.

    Raises:
        ConfigurationError: names the setting, never the secret.
    """
    if secret is None:
        return
    text = secret.get_secret_value()
    _check_key(setting, text)
    if text.startswith(_PREFIX) and not can_sign(secret):
        raise ConfigurationError(
            f"{setting} is a signing key of {len(_decoded(text))} bytes. PostHog signs with "
            f"{_POSTHOG_LEAST_BYTES} or more and sends nothing with less. {_MAKE_ONE}"
        )
    if not text.strip() or text != text.strip() or not (text.isascii() and text.isprintable()):
        raise ConfigurationError(
            f"{setting} is empty, or has blanks around it or characters that no header may have, so PostHog "
            f"cannot send it. {_MAKE_ONE}"
        )
    check_length(setting, secret)


def _verifies(key: bytes, body: bytes, headers: dict[str, str]) -> bool:
    try:
        Webhook(key).verify(body, headers, json_parse=False)
    except (WebhookVerificationError, ValueError, OverflowError):
        return False
    return True


def _keys(text: str) -> list[bytes]:
    decoded = _decoded(text)
    if text.startswith(_PREFIX):
        return [decoded] if decoded else []
    return [*([decoded] if len(decoded) >= _POSTHOG_LEAST_BYTES else []), text.encode()]


def _decoded(text: str) -> bytes:
    """The bytes of a secret's base64 as PostHog decodes it, padded or not; none where it is no base64."""
    encoded = text.removeprefix(_PREFIX)
    if not _BASE64.fullmatch(encoded):
        return b""
    bare = encoded.rstrip("=")
    bare = bare[:-1] if len(bare) % 4 == 1 else bare
    try:
        return base64.b64decode(bare + "=" * (-len(bare) % 4))
    except binascii.Error:
        return b""
