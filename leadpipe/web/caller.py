"""Who makes a request, and what they may do: the same for the page and for the Dagster UI.

Belongs here: the answer, from the session, the single sign-on, or the open mode. Does not belong here: what
is done with it (`sessions.py`, `own_page.py`), who is let in at all (`door.py`).
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from pydantic import SecretStr
from starlette.requests import HTTPConnection

from leadpipe.web.logins import Logins, Session
from leadpipe.web.roles import Role
from leadpipe.web.settings import WebSettings
from leadpipe.web.sign_on import Identity, SignOn

SESSION = "session"
SIGNED_ON = "signed_on"
IDENTITY = "leadpipe.identity"
CALLER = "leadpipe.caller"


@dataclass(frozen=True)
class Caller:
    """Somebody who may come in.

    Args:
        role: what they may do; None: nothing, who is known to the single sign-on alone.
        address: where the request came from.
        person: the name of an account or of the sign-on; None for the token and for an open page.
        session: what they logged in with; None for an open page and a sign-on.
    """

    role: Role | None
    address: str
    person: str | None = None
    session: Session | None = None

    def __str__(self) -> str:
        if self.session is None:
            way = f"{self.person} by single sign-on at" if self.person else ""
            return f"{way} {self.address}" if way else f"{self.address} without a login"
        name = f"session {self.session.name}"
        return (
            f"{self.person} ({name}) at {self.address}"
            if self.person
            else f"{name} at {self.address}"
        )

    @property
    def name(self) -> str | None:
        """A name that others know the person by; None for an open page."""
        return self.person or ("admin token" if self.session else None)

    def may(self, role: Role) -> bool:
        """Whether a role's acts are theirs to do."""
        return self.role is not None and self.role >= role


@dataclass(frozen=True)
class Gate:
    """Who is known.

    Args:
        logins: sessions and accounts.
        token: the admin token; None where there is none.
        sign_on: where a proxy may say who calls.
        clock: the time (UTC).
    """

    logins: Logins
    token: SecretStr | None
    sign_on: SignOn | None
    clock: Callable[[], datetime]

    @property
    def wants_login(self) -> bool:
        """Whether there is a login; without one everybody who is let in may do everything."""
        return self.token is not None or self.sign_on is not None or bool(self.logins.people.all())

    def caller_of(self, connection: HTTPConnection) -> Caller | None:
        """Who makes a request, None for strangers; looked up once a request."""
        scope = connection.scope
        if CALLER not in scope:
            scope[CALLER] = self.look_up(connection)
        found: Caller | None = scope[CALLER]
        return found

    def look_up(self, connection: HTTPConnection) -> Caller | None:
        """The same, as it is now: a session may have ended since."""
        address, identity = address_of(connection), identity_of(connection)
        given = connection.session.get(SESSION)
        # Begun beside another sign-on, it is somebody else's who had the browser before.
        is_same = connection.session.get(SIGNED_ON) == (identity.name if identity else None)
        if (
            isinstance(given, str)
            and is_same
            and (session := self.logins.find(given, self.token, now=self.clock()))
        ):
            return Caller(session.role, address, session.person, session)
        if identity is not None and self.sign_on is not None:
            account = self.logins.people.find(identity.name)
            role = account.role if account else self.sign_on.role_of(identity)
            return Caller(role, address, identity.name)
        return None if self.wants_login else Caller(Role.OPERATOR, address)


def has_login(settings: WebSettings) -> bool:
    """Whether a page with these settings wants a login: public, with an admin token, or with accounts."""
    people = Logins(settings.data_dir / "logins.sqlite").people
    return settings.is_public or settings.admin_token is not None or bool(people.all())


def address_of(connection: HTTPConnection) -> str:
    """The address a request came from."""
    return connection.client.host if connection.client else "unknown"


def identity_of(connection: HTTPConnection) -> Identity | None:
    """Who the single sign-on says somebody is, as the door has read it."""
    found: Identity | None = connection.scope.get(IDENTITY)
    return found
