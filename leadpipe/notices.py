"""Messages to people, sent by apprise: one kind of address for chat, mail, SMS and a hundred more.

What is said, and when, is the callers' business. No address leaves this module: not in a problem, a repr
or a log line. Apprise is imported when there is something to send or to check, not before.
"""

import logging
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from email.utils import getaddresses
from functools import cache, partial
from itertools import zip_longest
from types import ModuleType
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from pydantic import SecretStr

from leadpipe.errors import ConfigurationError
from leadpipe.http.addresses import is_this_machine

if TYPE_CHECKING:
    from apprise import NotifyBase, NotifyResult

_TIMEOUT_SECONDS = 10.0  # to connect, and for each answer; apprise's addresses have their own
_DEADLINE_SECONDS = 30.0  # for everything; Dagster gives a tick 60
_CHATTY = ("urllib3", "requests_oauthlib", "oauthlib")  # at DEBUG they log addresses and tokens
_BETWEEN_ADDRESSES = re.compile(r"[\s,;]+(?=[A-Za-z0-9]+://)")
_HARMLESS = re.compile(r"\bDropped\b|\berror=[345]\d\d\b")
_HELP = "see Alerts in docs/delivery.md"


@dataclass(frozen=True)
class Receiver:
    """Where messages go: the setting that says so, and how to make apprise's service for it."""

    setting: str
    make: Callable[[], "NotifyBase | None"] = field(repr=False)


def receivers(setting: str, addresses: SecretStr | None) -> list[Receiver]:
    """The receivers of a setting that has apprise's addresses, separated by spaces or commas."""
    text = addresses.get_secret_value().strip(" \t\r\n,;") if addresses else ""
    each = [SecretStr(part) for part in _BETWEEN_ADDRESSES.split(text) if part]
    return [
        Receiver(f"{setting} (address {number})" if each[1:] else setting, partial(_service, one))
        for number, one in enumerate(each, 1)
    ]


def text_webhook(setting: str, url: SecretStr) -> Receiver:
    """A chat webhook that gets exactly `{"text": …}`."""
    return Receiver(setting, partial(_webhook, url))


def mail_server(setting: str, url: SecretStr, *, sender: str, to: str) -> Receiver:
    """Mail through `smtp://user:password@host:25` or `smtps://…`; a login over smtp needs STARTTLS."""
    return Receiver(setting, partial(_mail, url, sender, to))


def mistakes(addresses: SecretStr) -> list[str]:
    """What is wrong with apprise's addresses, without showing them; sends nothing."""
    found = []
    for receiver in receivers("it", addresses):
        try:
            _made(receiver)
        except ConfigurationError as error:
            found.append(str(error))
    return found


@dataclass(frozen=True)
class NotTold:
    """Why a receiver was not told, and whether it may have been all the same: no answer came in time."""

    problem: str
    may_have_arrived: bool = False


def send(text: str, to: Sequence[Receiver], *, subject: str) -> list[str]:
    """Send a text to everyone at once; the problems met, a line each. Never raises.

    Mail has the subject as such, chats show it as a title, SMS as a first line.
    """
    return [each.problem for each in outcomes(text, to, subject=subject) if each is not None]


def outcomes(text: str, to: Sequence[Receiver], *, subject: str) -> list[NotTold | None]:
    """The same, for each receiver in order: None where it took the message."""
    if not to:
        return []
    apprise = _apprise()
    sender = apprise.Apprise()
    found: dict[int, NotTold | None] = {}
    reached = []
    for number, receiver in enumerate(to):
        try:
            sender.add(_made(receiver))
            reached.append(number)
        except ConfigurationError as error:
            found[number] = NotTold(str(error))
    results: Sequence[Any] = ()
    is_broken = False
    if reached:
        try:
            results = sender.notify(
                text,
                title=subject,
                body_format=apprise.NotifyFormat.TEXT,
                timeout=_DEADLINE_SECONDS,
            ).results
        except Exception:  # noqa: BLE001 - as below; whoever reports a failure must not fail of it
            is_broken = True
    for number, result in zip_longest(reached, results):
        if number is not None:
            is_late = is_broken or (result is not None and result.status.name == "TIMEOUT")
            problem = f"{to[number].setting} did not take the message: {_reason(result)}"
            found[number] = None if result else NotTold(problem, may_have_arrived=is_late)
    return [found[number] for number in range(len(to))]


def _reason(result: "NotifyResult | None") -> str:
    if result is None:
        return "apprise failed"
    if result.status.name == "TIMEOUT":
        return "no answer in time"
    said = {entry.message for entry in result.logs()}
    refusals = sorted(text.removeprefix("error=") for text in said if text.startswith("error="))
    return f"HTTP {refusals[0]}" if refusals else "it refused, or nobody answers there"


def _made(receiver: Receiver) -> "NotifyBase":
    """Apprise's service for a receiver.

    Raises:
        ConfigurationError: the address cannot be used; the message has nothing of it but a known scheme.
    """
    try:
        with _apprise().LogCapture(level=logging.WARNING, fmt="%(message)s") as complaints:
            service: NotifyBase | None = receiver.make()
            is_whole = not complaints.getvalue()
    except ConfigurationError as error:
        raise ConfigurationError(f"{receiver.setting} {error}") from None
    except Exception:  # noqa: BLE001 - plugins raise what they like, and say the address in it
        service, is_whole = None, True
    if service is None:
        raise ConfigurationError(f"{receiver.setting} is no address that can be used; {_HELP}")
    if not is_whole:
        raise ConfigurationError(
            f"{receiver.setting} has a receiver in its {service.schema}:// address that is none; {_HELP}"
        )
    return service


def _text(address: SecretStr) -> str:
    text = address.get_secret_value().strip()
    if any(character.isspace() or not character.isprintable() for character in text):
        raise ConfigurationError(f"has a space or a control character inside an address; {_HELP}")
    return text


def _service(address: SecretStr) -> "NotifyBase":
    text = _text(address)
    scheme, separator, _ = text.partition("://")
    service = _instantiated(text)
    if service is None and separator and scheme.lower() in _apprise().NotificationManager():
        raise ConfigurationError(
            f"has a {scheme.lower()}:// address that is incomplete, or needs another package; {_HELP}"
        )
    if service is None:
        raise ConfigurationError(f"does not begin like an address of a known service; {_HELP}")
    _refuse_clear_text(service)
    return service


def _refuse_clear_text(service: "NotifyBase") -> None:
    """Messages go by https to other machines, as their addresses hold tokens; mail has rules of its own."""
    name = service.secure_protocol
    secure = name if isinstance(name, str) else next(iter(name or ()), "")
    host = getattr(service, "host", None)
    has_choice = bool(service.protocol) and bool(secure) and secure != "mailtos"
    if service.secure or not has_choice or not host or is_this_machine(host):
        return
    raise ConfigurationError(f"would send messages in clear; use {secure}://")


def _webhook(url: SecretStr) -> "NotifyBase | None":
    parts = urlsplit(_text(url))
    if not (host := parts.hostname):
        return None
    if parts.scheme == "http" and not is_this_machine(host):
        raise ConfigurationError("would send messages in clear; use https://")
    return _instantiated(
        {
            "schema": {"http": "json", "https": "jsons"}[parts.scheme],
            "host": f"[{host}]" if ":" in host else host,
            "port": parts.port,
            "user": parts.username,
            "password": parts.password,
            "fullpath": parts.path + (f"?{parts.query}" if parts.query else ""),
            # Apprise's fields by other names; those without a name are left out.
            "payload": {"message": "text"}
            | dict.fromkeys(("version", "title", "type", "attachments"), ""),
            "cto": _TIMEOUT_SECONDS,
            "rto": _TIMEOUT_SECONDS,
        }
    )


def _mail(url: SecretStr, sender: str, to: str) -> "NotifyBase | None":
    parts = urlsplit(_text(url))
    is_tls = parts.scheme == "smtps"
    host = parts.hostname or "localhost"
    service = _instantiated(
        {
            "schema": "mailto",
            "host": host,
            "smtp_host": host,
            "port": parts.port or (465 if is_tls else 25),
            "user": parts.username,
            "password": parts.password,
            "secure_mode": "ssl" if is_tls else "starttls" if parts.username else "insecure",
            "from_addr": "leadpipe@localhost",
            "cto": _TIMEOUT_SECONDS,
        }
    )
    # Set here, because apprise drops addresses such as root@mailhost that a server of one's own takes.
    mail: Any = service
    [mail.from_addr] = _mailboxes(sender)
    mail.targets = _mailboxes(to)
    return service


def _mailboxes(text: str) -> list[tuple[str | bool, str]]:
    return [(name or False, address) for name, address in getaddresses([text]) if address]


def _instantiated(address: str | dict[str, Any]) -> "NotifyBase | None":
    """Without redirects, which might carry a token elsewhere, files, and pictures from the net."""
    asset = _apprise().AppriseAsset(
        app_id="leadpipe",
        app_desc="leadpipe",
        app_url="",
        image_url_mask="",
        http_redirects=False,
        storage_mode="memory",
        pgp_autogen=False,
        pem_autogen=False,
    )
    service: NotifyBase | None = _apprise().Apprise.instantiate(address, asset=asset)
    return service


def _without_address(record: logging.LogRecord) -> bool:
    """Leave of a line of apprise's log what is read here: part of an address was dropped, an HTTP status."""
    found = _HARMLESS.search(record.getMessage())
    record.msg, record.args, record.exc_info = found[0] if found else "", None, None
    return found is not None


@cache
def _apprise() -> ModuleType:
    """Apprise, silenced: a quarter of a second that only messages need to wait for."""
    import apprise  # noqa: PLC0415

    own = logging.getLogger(apprise.LOGGER_NAME)
    own.propagate = False
    own.setLevel(logging.WARNING)
    own.addFilter(_without_address)
    for name in _CHATTY:
        logging.getLogger(name).setLevel(logging.WARNING)
    return apprise
