"""What the routes share: one object, made when the application starts."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar

from prometheus_client import CollectorRegistry
from pydantic import SecretStr
from starlette.requests import Request

from leadpipe.settings import Settings
from leadpipe.web.access import LoginBrake, LoginTurns, NamesBrake, WrongSecrets
from leadpipe.web.caller import Gate
from leadpipe.web.dagster_runs import DagsterRuns
from leadpipe.web.logins import Logins
from leadpipe.web.probe import PostHogProbe

if TYPE_CHECKING:
    from leadpipe.web.parts import Pages

_HeldT = TypeVar("_HeldT")


@dataclass(frozen=True)
class Web:
    """Everything a route needs; nothing of it is global. Domains hold here what their own routes share."""

    settings: Settings
    pages: "tuple[Pages, ...]"
    runs: DagsterRuns
    probe: PostHogProbe
    wrong_secrets: WrongSecrets
    brake: LoginBrake
    names_brake: NamesBrake
    turns: LoginTurns
    logins: Logins
    gate: Gate
    admin_token: SecretStr | None
    is_public: bool
    registry: CollectorRegistry
    clock: Callable[[], datetime]
    _held: dict[type, Any] = field(default_factory=dict)

    def hold(self, thing: object) -> None:
        """Keep a domain's object for its routes, one of a type."""
        self._held[type(thing)] = thing

    def held(self, kind: type[_HeldT]) -> _HeldT:
        """The object of that type."""
        found: _HeldT = self._held[kind]
        return found

    def held_if_any(self, kind: type[_HeldT]) -> _HeldT | None:
        """The object of that type, None where nobody holds one."""
        return self._held.get(kind)


def state_of(request: Request) -> Web:
    """The shared object of the application that answers the request."""
    web: Web = request.app.state.web
    return web
