"""What the HTTP library's log says of addresses."""

import logging

import httpx
import pytest

from leadpipe.http import discretion


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    """The log, with both loggers wide open."""
    for name in ("httpx", "httpcore.http11"):
        caplog.set_level(logging.DEBUG, logger=name)
    discretion.install()
    discretion.install()
    return caplog


def test_a_query_is_not_logged(log):
    """It may hold a person, or open a file; the rest of the address stays."""
    answer = httpx.MockTransport(lambda _: httpx.Response(204))
    with httpx.Client(transport=answer) as client:
        client.get("https://eu.posthog.com/api/persons/?search=anna")
        client.get("https://eu.posthog.com/api/persons/")
    assert log.messages == [
        'HTTP Request: GET https://eu.posthog.com/api/persons/?[query] "HTTP/1.1 204 No Content"',
        'HTTP Request: GET https://eu.posthog.com/api/persons/ "HTTP/1.1 204 No Content"',
    ]


@pytest.mark.parametrize("header", [b"https://s3/f?sig=1", b"https://s3/it's?sig=1"])
@pytest.mark.parametrize("name", [b"location", b"Location"])
def test_where_an_answer_sends_us_is_not_logged(log, name, header):
    """Whatever its header is spelt like; the other headers stay."""
    headers = [(b"server", b"x"), (name, header), (b"etag", b"1")]
    logger = logging.getLogger("httpcore.http11")
    logger.debug(f"receive_response_headers.complete return_value=(302, {headers!r})")
    (message,) = log.messages
    assert "sig=1" not in message
    assert "(b'server', b'x'), (b'location', b'[address]'), (b'etag', b'1')" in message


def test_other_records_stay_as_they_are(log):
    """Text with percent signs, arguments by name."""
    logging.getLogger("httpcore.http11").debug("50 % of it")
    logging.getLogger("httpx").info("%(a)s", {"a": 1})
    logging.getLogger("httpx").info("%s of %s", 1, "two")
    assert log.messages == ["50 % of it", "1", "1 of two"]
