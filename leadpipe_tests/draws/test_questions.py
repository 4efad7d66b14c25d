"""What a team asks of draws, answered on lists that are known."""

from datetime import date, timedelta

from leadpipe_tests.clocks import NOW, TODAY
from leadpipe_tests.questions import answers


def test_answers_about_draws(warehouse, tmp_path):
    """A list with two reasons for rejections, and one without any."""
    yesterday: date = TODAY - timedelta(days=1)
    with warehouse.connect() as connection:
        for day, participants in ((yesterday, 5), (TODAY, 7)):
            connection.execute(
                "INSERT INTO draw_participant_builds BY NAME SELECT $day AS draw_date, "
                "$participants AS participants, 2 * $participants AS total_entries, 9 AS recharges, "
                "1 AS blacklisted, 0 AS unread_days, 1000 AS max_recharge_naira, 'NG' AS phone_region, "
                "$at AS built_at",
                {"day": day, "participants": participants, "at": NOW},
            )
        connection.executemany(
            "INSERT INTO draw_rejections VALUES (?, ?, ?, ?, uuid())",
            [[TODAY, "no amount", 4, 2], [TODAY, "no number", 3, 1]],
        )
    assert answers(warehouse, tmp_path, "draws") == {
        "draw_turnout": [(TODAY, 7, 14, 9, 1, 3, 0), (yesterday, 5, 10, 9, 1, 0, 0)]
    }
