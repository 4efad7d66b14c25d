"""Who may call what: shared secrets, sessions, a brake on wrong guesses. Signatures are in `signing.py`."""

import asyncio
import hmac
import ipaddress
import time
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress

from pydantic import SecretStr
from starlette.requests import Request

from leadpipe.web.answers import Refusal
from leadpipe.web.kept import kept_secret
from leadpipe.web.settings import WebSettings

SECRET_HEADER = "x-leadpipe-secret"  # noqa: S105 - the header's name
_MOST_WRONG = 20
_WINDOW_SECONDS = 60.0
_MOST_CLIENTS = 10_000
_FREE_GUESSES = 5
_LONGEST_WAIT_SECONDS = 60.0
_FORGOTTEN_SECONDS = 3_600.0
_AT_ONCE = 2
_MOST_HERE = 30
_IPV6_HOME = 64  # bits of an IPv6 address that its owner did not choose


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


class LoginBrake:
    """Slows down who guesses tokens at the login: a wait that doubles with each wrong one, up to a minute.

    While somebody has to wait nothing they type is looked at, not even the right token; so a minute has one
    guess, whatever the number of requests. An hour without a wrong one is forgotten.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._wrong: OrderedDict[str, tuple[int, float]] = OrderedDict()

    def seconds_left(self, client: str) -> float:
        """How long a client has to wait before the next token is looked at."""
        count, last = self._wrong.get(_home(client), (0, 0.0))
        return max(last + _wait_after(count) - self._clock(), 0.0)

    def note_wrong(self, client: str) -> None:
        """Count a wrong token."""
        home, now = _home(client), self._clock()
        count, last = self._wrong.get(home, (0, now))
        self._wrong[home] = (count + 1 if now - last < _FORGOTTEN_SECONDS else 1, now)
        self._wrong.move_to_end(home)
        if len(self._wrong) > _MOST_CLIENTS:
            self._wrong.popitem(last=False)

    def note_right(self, client: str) -> None:
        """Forget the wrong tokens of a client that knows the right one."""
        self._wrong.pop(_home(client), None)

    def forgive(self, client: str) -> None:
        """Take back one: it was right. The others stay, as they may have been for somebody else's name."""
        count, last = self._wrong.get(_home(client), (1, 0.0))
        self._wrong[_home(client)] = (max(count - 1, 0), last)


class NamesBrake:
    """Slows down who guesses one account's password from many addresses.

    Whoever has logged in to the account from an address does not wait there, so that nobody is locked out of
    theirs by others' guesses.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._brake = LoginBrake(clock)
        self._right: OrderedDict[tuple[str, str], None] = OrderedDict()

    def seconds_left(self, client: str, name: str) -> float:
        """How long a client has to wait before the next password of a name is looked at."""
        if not name or (_home(client), name) in self._right:
            return 0.0
        return self._brake.seconds_left(f"name {name}")

    def note_wrong(self, name: str) -> None:
        """Count a wrong password of a name, whether anybody has it or not."""
        self._brake.note_wrong(f"name {name}")

    def note_right(self, client: str, name: str) -> None:
        """Remember where an account's right password came from, and take back the count of it."""
        self._brake.forgive(f"name {name}")
        self._right[_home(client), name] = None
        self._right.move_to_end((_home(client), name))
        if len(self._right) > _MOST_CLIENTS:
            self._right.popitem(last=False)


class LoginTurns:
    """Lets few passwords be compared at once, and few wait: each costs memory and a good part of a second.

    Who waits holds no thread, which the webhook needs.
    """

    def __init__(self) -> None:
        self._free = asyncio.Semaphore(_AT_ONCE)
        self._here = 0

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait for one's turn.

        Raises:
            Refusal: 503, as too many wait.
        """
        if self._here >= _MOST_HERE:
            raise Refusal(503, "too many log in at once", headers={"Retry-After": "5"})
        self._here += 1
        try:
            async with self._free:
                yield
        finally:
            self._here -= 1


def _wait_after(count: int) -> float:
    if count < _FREE_GUESSES:
        return 0.0
    return min(2.0 ** min(count - _FREE_GUESSES, 10), _LONGEST_WAIT_SECONDS)


def _home(client: str) -> str:
    """The address, of IPv6 the network: one household has 2^64 of them."""
    with suppress(ValueError):
        address = ipaddress.ip_address(client)
        if address.version == 6:  # noqa: PLR2004
            return str(ipaddress.ip_network((address, _IPV6_HOME), strict=False))
    return client


def client_of(request: Request) -> str:
    """The address a request came from."""
    return request.client.host if request.client else "unknown"


def is_from_elsewhere(request: Request) -> bool:
    """Whether a browser sends this for another site's page: what a secretless endpoint must refuse."""
    return request.headers.get("sec-fetch-site", "none") not in {"none", "same-origin"}


def admin_token(settings: WebSettings, *, is_public: bool) -> SecretStr | None:
    """What a person must type to log in; None if the page is open.

    Outside loopback there is always one, beside the accounts: configured, else made once and kept in the
    data folder.
    """
    if settings.admin_token is not None:
        return settings.admin_token
    if not is_public:
        return None
    return SecretStr(kept_secret(settings.data_dir / "admin_token"))
