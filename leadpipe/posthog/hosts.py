"""What a person configured about PostHog, checked before a request is made: host, project, keys.

Does not belong here: where those values come from.
"""

import ipaddress
import re
from urllib.parse import urlsplit

from pydantic import SecretStr

from leadpipe.errors import ConfigurationError

_EXAMPLES = "https://us.posthog.com, https://eu.posthog.com or the address of your own PostHog"


def normalised(host: str, *, allow_insecure: bool = False) -> str:
    """The host as `scheme://name[:port]`: https where none was given, no trailing slash.

    Raises:
        ConfigurationError: not a host, more than a host, or plain http to another machine.
    """
    text = host.strip()
    if "@" in text:  # not shown: it may hold a password
        raise ConfigurationError(f"PostHog's host must not carry a user name; use {_EXAMPLES}")
    try:
        parts = urlsplit(text if "://" in text else f"https://{text}")
        name, port = parts.hostname, parts.port
    except ValueError:
        name, port = None, None
    if not name or parts.scheme not in {"http", "https"} or not re.fullmatch(r"[\w.:-]+", name):
        raise ConfigurationError(f"PostHog's host {text!a} is no web address; use {_EXAMPLES}")
    if parts.path.strip("/") or parts.query or parts.fragment:
        raise ConfigurationError(
            f"PostHog's host {text!a} has more than a host name; use {_EXAMPLES}"
        )
    address = f"[{name}]" if ":" in name else name
    plain = f"{parts.scheme}://{address}" + (f":{port}" if port else "")
    if parts.scheme == "http" and not (allow_insecure or is_loopback(plain)):
        raise ConfigurationError(
            f"{plain} would send the API key in clear; use https://{address} instead"
        )
    return plain


def identity(host: str) -> str:
    """Which PostHog a normalised host is: the same for all names that one is known to have."""
    parts = urlsplit(host)
    is_usual = parts.port == {"http": 80, "https": 443}.get(parts.scheme)
    name = (parts.netloc.rpartition(":")[0] if is_usual else parts.netloc).rstrip(".")
    cloud = {
        "app.posthog.com": "us.posthog.com",
        "app.i.posthog.com": "us.posthog.com",
        "us.i.posthog.com": "us.posthog.com",
        "eu.i.posthog.com": "eu.posthog.com",
    }
    return f"{parts.scheme}://{cloud.get(name, name)}"


def is_loopback(host: str) -> bool:
    """Whether a normalised host is this machine."""
    name = urlsplit(host).hostname or ""
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name == "localhost" or name.endswith(".localhost")


def capture_host(host: str) -> str:
    """Where a normalised host takes events: hosts of their own on PostHog Cloud, else the same."""
    cloud = {
        "https://us.posthog.com": "https://us.i.posthog.com",
        "https://app.posthog.com": "https://us.i.posthog.com",
        "https://eu.posthog.com": "https://eu.i.posthog.com",
    }
    return cloud.get(host, host)


def checked_project_id(project_id: str) -> str:
    """The project id unchanged, if it is a number or `@current`.

    Raises:
        ConfigurationError: anything else; it would become part of the request's path.
    """
    if re.fullmatch(r"[0-9]{1,19}|@current", project_id):
        return project_id
    shown = "" if re.match(r"ph[a-z]_", project_id) else f" {project_id[:40]!a}"  # a key, misplaced
    raise ConfigurationError(
        f"The project id{shown} is not a number. It is the number in the "
        "address of the project (…/project/12345), not its name and not its phc_… key."
    )


def checked_key(api_key: SecretStr) -> SecretStr:
    """The key without surrounding blanks, if it can stand in a header.

    Raises:
        ConfigurationError: empty, or with a character no key has. The HTTP library would refuse
            it too, but with the key in its message.
    """
    key = SecretStr(api_key.get_secret_value().strip())
    if re.fullmatch(r"[!-~]+", key.get_secret_value()):
        return key
    raise ConfigurationError(
        "The PostHog API key is empty or has blanks or characters that no key has. Copy it again "
        "from Settings → Personal API keys; it starts with phx_."
    )


def checked_project_key(project_api_key: SecretStr) -> SecretStr:
    """The project's public key without surrounding blanks, if it is one.

    Raises:
        ConfigurationError: empty, with a character no key has, or a personal key, with which
            PostHog takes no events.
    """
    key = SecretStr(project_api_key.get_secret_value().strip())
    text = key.get_secret_value()
    if re.fullmatch(r"[!-~]{1,64}", text) and not text.startswith(("phx_", "phs_")):
        return key
    raise ConfigurationError(
        "The PostHog project key is empty, is no project key or has characters that no key has. "
        "Copy it from Settings → Project → General → Project token; it starts with phc_."
    )
