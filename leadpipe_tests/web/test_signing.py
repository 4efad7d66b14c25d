"""Secrets and signatures as PostHog reads and makes them."""

import base64
from datetime import UTC, datetime

import pytest
from pydantic import SecretStr

from leadpipe.errors import ConfigurationError
from leadpipe.web.signing import can_sign, check_posthog_secret, has_right_signature, may_be_right
from posthog_sandbox.webhook_sender import signature, signing_key

_KEY = bytes(range(250, 256)) * 5
_ENCODED = base64.b64encode(_KEY).decode()


def headers(secret, body="{}"):
    """What PostHog signs with a secret."""
    key = signing_key(secret)
    assert key is not None
    return signature("id", body, key=key, at=datetime.now(UTC))


@pytest.mark.parametrize(
    "secret",
    [
        f"whsec_{_ENCODED}",
        _ENCODED,
        base64.b64encode(b"k" * 25).decode(),
        base64.b64encode(b"k" * 25).decode().rstrip("="),
        f"whsec_{base64.b64encode(b'k' * 64).decode()}",
        "0123456789abcdef" * 4,
        "a" * 33,
    ],
    ids=["whsec_", "bare", "padded", "not padded", "64 bytes", "hexadecimal", "an odd length"],
)
def test_what_posthog_signs_is_right(secret):
    """The key is what the base64 stands for, however it is written; both sides take the same secrets."""
    assert can_sign(SecretStr(secret))
    check_posthog_secret("POSTHOG_WEBHOOK_SECRET", SecretStr(secret))
    signed = headers(secret)
    assert may_be_right(signed)
    assert has_right_signature(SecretStr(secret), b"{}", signed)
    assert not has_right_signature(SecretStr(secret), b"{ }", signed)
    assert not has_right_signature(SecretStr(_ENCODED[::-1]), b"{}", signed)


@pytest.mark.parametrize(
    ("secret", "said"),
    [
        ("whsec_" + base64.b64encode(b"k" * 23).decode(), "is a signing key of 23 bytes"),
        ("whsec_AAAA", "is a signing key of 3 bytes"),
        ("", "is empty, or has blanks around it"),
        (" geheim", "is empty, or has blanks around it"),
        ("geheim\n", "is empty, or has blanks around it"),
        ("geheim\u00fc", "characters that no header may have"),
        ("a\x00b", "characters that no header may have"),
    ],
)
def test_a_secret_that_posthog_could_not_use_is_refused(secret, said):
    """With the setting, the reason and the next step; never with the secret."""
    with pytest.raises(ConfigurationError) as caught:
        check_posthog_secret("POSTHOG_WEBHOOK_SECRET", SecretStr(secret))
    message = str(caught.value)
    assert message.startswith("POSTHOG_WEBHOOK_SECRET ")
    assert said in message
    assert "Make one with `leadpipe webhook secret`" in message
    assert not secret.strip() or secret not in message


def test_a_text_that_is_no_key_works_as_a_header():
    """It is no signing key, and need not be."""
    plain = SecretStr("plain words, a good many")
    check_posthog_secret("POSTHOG_WEBHOOK_SECRET", plain)
    assert not can_sign(plain)
    check_posthog_secret("POSTHOG_WEBHOOK_SECRET", None)


@pytest.mark.parametrize(
    "change",
    [
        {"webhook-timestamp": "²"},
        {"webhook-timestamp": "9" * 400},
        {"webhook-timestamp": "-5"},
        {"webhook-timestamp": ""},
        {"webhook-signature": ""},
        {"webhook-signature": "v1,"},
        {"webhook-signature": "v2," + "a" * 43 + "="},
    ],
)
def test_headers_that_cannot_be_right_are_known_without_the_body(change):
    """By their shape."""
    assert not may_be_right(headers(_ENCODED) | change)


def test_one_right_signature_of_several_is_enough():
    """As while a key is changed; the order does not matter."""
    signed = headers(_ENCODED)
    signed["webhook-signature"] = f"v1a,other v1,{'a' * 43}= {signed['webhook-signature']}"
    assert may_be_right(signed)
    assert has_right_signature(SecretStr(_ENCODED), b"{}", signed)
