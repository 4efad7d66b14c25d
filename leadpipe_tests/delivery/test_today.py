"""What deliveries say of today: a line of the page, and of the one message in the morning."""

from leadpipe.today.telling import tell_morning
from leadpipe_tests.clocks import NOW
from leadpipe_tests.delivery.builders import deliver_to, hand_over, lead
from leadpipe_tests.leads.builders import publish, warehouse_of
from leadpipe_tests.web.fixtures import web_settings


def test_deliveries_are_a_line_of_the_same_message(partner, tmp_path):
    """There is no second summary at 8: how deliveries went is told with the rest."""
    warehouse = warehouse_of(tmp_path)
    warehouse.path.parent.mkdir(parents=True)
    partner.configure(default="reject")
    hand_over(warehouse, lead(1), lead(2))
    deliver_to(partner, warehouse)
    publish(warehouse)
    text = tell_morning(web_settings(tmp_path), now=NOW).text
    assert text is not None
    assert "• 2 deliveries need a person" in text
    assert (
        "• Deliveries: in 24 hours 2 leads came in and 0 were delivered; 0 are on their way, 2 need a person"
        in text
    )
