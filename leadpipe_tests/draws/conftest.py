"""A client of the sandbox and a sender to it."""

from collections.abc import Iterator

import pytest
from pydantic import SecretStr

from leadpipe.connections import connect_capture
from leadpipe.posthog import PostHog
from leadpipe.posthog.capture import Capture
from leadpipe.settings import Settings
from leadpipe_tests.posthog.builders import client
from posthog_sandbox.process import SandboxProcess


@pytest.fixture
def posthog(sandbox: SandboxProcess) -> Iterator[PostHog]:
    """A client of the empty sandbox whose waits take no time."""
    with client(
        host=sandbox.url, project_id=sandbox.project_id, api_key=SecretStr(sandbox.api_key)
    ) as found:
        yield found


@pytest.fixture
def capture(settings: Settings) -> Iterator[Capture]:
    """A sender of events to the empty sandbox."""
    with connect_capture(settings) as found:
        yield found
