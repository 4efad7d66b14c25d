"""The panel of leads: every day of the last month, by type."""

from datetime import timedelta

from leadpipe.published import reading
from leadpipe_tests.clocks import TODAY
from leadpipe_tests.web.builders import panels, publish_some


def test_the_panel_shows_leads_by_day_and_type(tmp_path, start):
    """Newest first, days without any included."""
    publish_some(tmp_path)
    panel = panels(start())["leads/panel.html"]
    assert (panel["names"], panel["total"]) == (["phone", "whatsapp"], 3)
    assert panel["rows"][:5] == [
        {"day": TODAY - timedelta(days=ago), "counts": counts}
        for ago, counts in enumerate([[0, 0], [1, 0], [0, 1], [1, 0], [0, 0]])
    ]
    assert len(panel["rows"]) == 30


def test_leads_of_the_panel_are_all_actions_of_its_days(tmp_path, start):
    """The panel's total is what the published records say."""
    publish_some(tmp_path)
    panel = panels(start())["leads/panel.html"]
    (total,) = reading.query(
        tmp_path / "data" / "published", "SELECT sum(total_actions)::BIGINT FROM leads"
    ).rows[0]
    assert panel["total"] == total == 3
