"""Who may call what: shared secrets, sessions, a brake on wrong guesses. Signatures are in `signing.py`."""

import hmac
import ipaddress
import secrets
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping
from pathlib import Path

from pydantic import SecretStr
from starlette.requests import Request

from leadpipe.web.settings import WebSettings

SECRET_HEADER = "x-leadpipe-secret"  # noqa: S105 - the header's name
_MOST_WRONG = 20
_WINDOW_SECONDS = 60.0
_MOST_CLIENTS = 10_000


def is_loopback(host: str | None) -> bool:
    """Whether an address or name is this machine's own."""
    if host is None:
        return False
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def is_same(secret: SecretStr, given: str | None) -> bool:
    """Compare in a time that does not tell how much of a guess is right."""
    return hmac.compare_digest(
        secret.get_secret_value().encode(), (given or "").encode("utf-8", "surrogateescape")
    )


def given_secret(headers: Mapping[str, str]) -> str | None:
    """The shared secret of a request: `Authorization: Bearer …`, or `X-Leadpipe-Secret: …`."""
    scheme, _, value = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and value:
        return value.strip()
    return headers.get(SECRET_HEADER)


class WrongSecrets:
    """Counts wrong secrets a client, so that guessing is slow and the log stays short.

    A right secret is never refused, whoever guessed before from the same address: behind a proxy all
    clients may share one.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._wrong: OrderedDict[str, deque[float]] = OrderedDict()

    def note(self, client: str) -> float | None:
        """Count a wrong secret; give the seconds to wait when there were too many."""
        now = self._clock()
        times = self._wrong.setdefault(client, deque(maxlen=_MOST_WRONG))
        self._wrong.move_to_end(client)
        if len(self._wrong) > _MOST_CLIENTS:
            self._wrong.popitem(last=False)
        if len(times) == _MOST_WRONG and now - times[0] < _WINDOW_SECONDS:
            return _WINDOW_SECONDS - (now - times[0])
        times.append(now)
        return None


def client_of(request: Request) -> str:
    """The address a request came from."""
    return request.client.host if request.client else "unknown"


def is_from_elsewhere(request: Request) -> bool:
    """Whether a browser sends this for another site's page: what a secretless endpoint must refuse."""
    return request.headers.get("sec-fetch-site", "none") not in {"none", "same-origin"}


def admin_token(settings: WebSettings, *, is_public: bool) -> SecretStr | None:
    """What a person must type to log in; None if the page is open.

    Outside loopback there is always one: configured, else made once and kept in the data folder.
    """
    if settings.admin_token is not None:
        return settings.admin_token
    if not is_public:
        return None
    return SecretStr(kept_secret(settings.data_dir / "admin_token"))


def kept_secret(path: Path) -> str:
    """The secret in a file that only its owner can read; made when it is not there."""
    if path.exists():
        return path.read_text().strip()
    path.parent.mkdir(parents=True, exist_ok=True)
    secret = secrets.token_urlsafe(32)
    path.touch(mode=0o600)
    path.write_text(f"{secret}\n")
    return secret
