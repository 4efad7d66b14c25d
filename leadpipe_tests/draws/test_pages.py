"""The panel of draws: shown once there is something to show, and not before."""

from leadpipe.published.tables import publish_tables
from leadpipe.warehouse import Warehouse
from leadpipe_tests.clocks import NOW, TODAY
from leadpipe_tests.web.builders import panels

_ANNOUNCED = '{"rules": {"begins_at": "2026-11-20T23:00:00Z", "draw_timezone": "Africa/Lagos"}}'


def publish_after(folder, *statements):
    """Publish a warehouse after statements."""
    with Warehouse(folder / "data" / "leadpipe.duckdb").connect() as connection:
        for statement, parameters in statements:
            connection.execute(statement, parameters)
        publish_tables(connection, folder / "data" / "published")


def test_nothing_drawn_is_no_panel(tmp_path, start):
    """Empty tables show nothing."""
    publish_after(tmp_path)
    assert panels(start()) == {}


def test_draws_are_shown_with_their_winners(tmp_path, start):
    """A draw has its list's size, its entries and how many have won; runners-up do not count."""
    insert = """
        INSERT INTO draws (draw_id, draw_date, attempt, status, participants, total_entries, commitment,
                           announcement, frozen_at)
        VALUES ('d', ?, 1, 'drawn', 1200, 5000, 'c', ?, ?)
    """
    draw = (insert, [TODAY, _ANNOUNCED, NOW])
    winner = """
        INSERT INTO draw_winners
        VALUES ('d', ?, 1, 'Phone', 100, ?, ?, '2348031234567', 'x', 3, uuid(), NULL)
    """
    publish_after(
        tmp_path,
        draw,
        *((winner, [TODAY, is_runner_up, rank]) for is_runner_up, rank in ((False, 1), (True, 1))),
    )
    client = start()
    assert panels(client) == {
        "draws/panel.html": {
            "rows": [
                {
                    "draw_date": TODAY,
                    "status": "drawn",
                    "participants": 1200,
                    "total_entries": 5000,
                    "begins_at": "2026-11-20T23:00:00Z",
                    "draw_timezone": "Africa/Lagos",
                    "naive_timezone": None,
                    "winners": 1,
                }
            ]
        }
    }
    page = client.get("/admin/sync").text
    assert "1,200" in page
    assert "2348031234567" not in page
