"""What the routes share: one object, made when the application starts."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from pydantic import SecretStr
from starlette.requests import Request

from leadpipe.inbox.payloads import Reader
from leadpipe.inbox.store import Inbox
from leadpipe.inbox.writer import InboxWriter
from leadpipe.settings import Settings
from leadpipe.web.access import WrongSecrets
from leadpipe.web.dagster_runs import DagsterRuns
from leadpipe.web.feed import LiveFeed
from leadpipe.web.probe import PostHogProbe


@dataclass(frozen=True)
class Web:
    """Everything a route needs; nothing of it is global."""

    settings: Settings
    inbox: Inbox
    writer: InboxWriter
    reader: Reader
    feed: LiveFeed
    runs: DagsterRuns
    probe: PostHogProbe
    wrong_secrets: WrongSecrets
    admin_token: SecretStr | None
    clock: Callable[[], datetime]


def state_of(request: Request) -> Web:
    """The shared object of the application that answers the request."""
    web: Web = request.app.state.web
    return web
