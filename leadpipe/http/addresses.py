"""Addresses that a person configured: none may carry a key or personal data in clear to another machine.

Pure. PostHog's own host has further rules (`leadpipe/posthog/hosts.py`).
"""

import ipaddress
from urllib.parse import urlsplit

from leadpipe.errors import ConfigurationError


def checked_address(setting: str, url: str, *, carries: str) -> str:
    """The address unchanged, if it is https, or http to this machine, and has no password in it.

    Raises:
        ConfigurationError: names the setting and the next step; nothing of the address.
    """
    text = url.strip()
    try:
        parts = urlsplit(text)
        name = parts.hostname
        _ = parts.port
    except ValueError:
        name = None
    if not name or parts.scheme not in {"http", "https"}:
        raise ConfigurationError(f"{setting} is no web address; it should begin with https://")
    if "@" in parts.netloc:
        raise ConfigurationError(
            f"{setting} must not carry a user name or password: addresses are shown and logged. Put the key "
            "into the setting that is made for it."
        )
    if parts.scheme == "http" and not is_this_machine(name):
        raise ConfigurationError(f"{setting} would send {carries} in clear; use https://")
    return text


def is_this_machine(name: str) -> bool:
    """Whether a host name or address is this machine's own."""
    try:
        return ipaddress.ip_address(name.strip("[]")).is_loopback
    except ValueError:
        return name == "localhost" or name.endswith(".localhost")
