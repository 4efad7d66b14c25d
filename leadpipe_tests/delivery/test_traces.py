"""Traces of deliveries: a request to the partner is a span, without anything of a lead."""

import pytest

from leadpipe import tracing
from leadpipe_tests.collector import collecting
from leadpipe_tests.delivery.builders import deliver_to, hand_over, lead


@pytest.fixture
def collector():
    """A collector that spans go to until the test ends."""
    with collecting() as one:
        tracing.begin(one.url)
        try:
            yield one
        finally:
            tracing.end()


def test_a_request_to_the_partner_is_a_span_without_the_lead(partner, warehouse, collector):
    """Method and status, also of one without an answer and of a question; no phone, email, name or key."""
    partner.configure(script=["accept", "die", "reject"])
    hand_over(warehouse, lead(1), lead(2), lead(3))
    with tracing.span("delivery"):
        deliver_to(partner, warehouse)
        deliver_to(partner, warehouse)
    tracing.flush()
    asked = collector.named("partner")
    methods = [span.attributes["http.request.method"] for span in asked]
    assert methods.count("POST") == 3
    assert "GET" in methods
    assert {collector.ancestors(span)[-1] for span in asked} == {"delivery"}
    statuses = [span.attributes.get("http.response.status_code") for span in asked]
    assert 422 in statuses
    assert [span.is_error for span in asked].count(True) == statuses.count(None)
    text = b"".join(collector.bodies)
    for personal in (b"jane", b"Jane", b"201555", b"10001", b"npa_test"):
        assert personal not in text
