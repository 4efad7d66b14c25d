"""What a person configured: host, project id, key."""

import pytest
from pydantic import SecretStr

from leadpipe.errors import ConfigurationError
from leadpipe.posthog import Limits
from leadpipe_tests.posthog.builders import client


@pytest.mark.parametrize(
    ("written", "used"),
    [
        ("https://eu.posthog.com/", "https://eu.posthog.com"),
        (" eu.posthog.com ", "https://eu.posthog.com"),
        ("HTTPS://EU.PostHog.com:8443", "https://eu.posthog.com:8443"),
        ("http://localhost:8000", "http://localhost:8000"),
        ("http://127.0.0.1:1", "http://127.0.0.1:1"),
        ("http://[::1]:8000/", "http://[::1]:8000"),
    ],
)
def test_a_host_is_brought_to_one_form(written, used):
    """The scheme https is added, blanks and the last slash go; plain http is fine on loopback."""
    with client(host=written) as posthog:
        assert posthog.host == used


@pytest.mark.parametrize(
    ("host", "reason"),
    [
        ("http://eu.posthog.com", "would send the API key in clear; use https://eu.posthog.com"),
        ("http://127.0.0.1.example.com", "in clear"),
        ("https://eu.posthog.com/project/7", "more than a host name"),
        ("ftp://eu.posthog.com", "no web address"),
        ("https://", "no web address"),
        ("https://eu.posthog.com:port", "no web address"),
        ("eu posthog com", "no web address"),
        ("", "no web address"),
    ],
)
def test_other_hosts_are_refused(host, reason):
    """Anything but a host is refused at the start, and so is plain http to another machine."""
    with pytest.raises(ConfigurationError, match=reason):
        client(host=host)


def test_a_password_in_the_host_is_refused_and_not_shown():
    """A user name or password in the address is refused without showing it."""
    with pytest.raises(ConfigurationError) as caught:
        client(host="https://ada:hunter2@eu.posthog.com")
    assert "hunter2" not in str(caught.value)


def test_plain_http_can_be_allowed():
    """A PostHog inside a private network can be used in clear when one says so."""
    with client(host="http://posthog.internal", allow_insecure=True) as posthog:
        assert posthog.host == "http://posthog.internal"


@pytest.mark.parametrize("project_id", ["", "seven", "7/../8", "7?x", "7\n"])
def test_a_project_id_is_a_number(project_id):
    """A project id that could change the path of a request is refused."""
    with pytest.raises(ConfigurationError, match="is not a number"):
        client(project_id=project_id)


def test_a_key_given_as_project_id_is_not_shown():
    """Someone who mixed up the settings does not find the key in the log."""
    with pytest.raises(ConfigurationError) as caught:
        client(project_id="phx_oops")
    assert "phx_oops" not in str(caught.value)


@pytest.mark.parametrize("key", ["", "  ", "phx_a b", "phx_a\nHost: evil", "phx_é"])
def test_a_key_that_no_header_can_carry_is_refused_and_not_shown(key):
    """The HTTP library would refuse such a key with the key in its message; we come first."""
    with pytest.raises(ConfigurationError) as caught:
        client(api_key=SecretStr(key))
    assert str(caught.value) == (
        "The PostHog API key is empty or has blanks or characters that no key has. Copy it again "
        "from Settings → Personal API keys; it starts with phx_."
    )


@pytest.mark.parametrize("seconds", [0.0, -1.0, float("nan")])
def test_a_deadline_leaves_time(seconds):
    """A deadline that has passed before the start is a mistake in the configuration."""
    with pytest.raises(ConfigurationError, match="leaves no time"):
        client(deadline_seconds=seconds)


def test_limits_allow_something():
    """A limit of nothing would wait for ever."""
    with pytest.raises(ConfigurationError, match="per_minute is 0; it must be at least 1"):
        Limits(per_minute=0)
