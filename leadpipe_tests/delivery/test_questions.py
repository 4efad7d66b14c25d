"""What a team asks of deliveries, answered on attempts that are known."""

from datetime import timedelta

from leadpipe_tests.clocks import NOW
from leadpipe_tests.questions import answers


def test_answers_about_deliveries(warehouse, tmp_path):
    """Of three leads one went through at once, one after a refusal, and one never."""
    begun = NOW - timedelta(hours=1)
    with warehouse.connect() as connection:
        for number, channel, state, minutes, attempts in (
            (1, "sms", "succeeded", 2, 1),
            (2, "sms", "succeeded", 6, 2),
            (3, "voice", "failed", 9, 1),
        ):
            connection.execute(
                "INSERT INTO lead_deliveries (id, idempotency_key, state, channel, lead_data, source, "
                "captured_at, taken_in_at, attempts, finished_at) "
                "VALUES ($id, $id, $state, $channel, '{}', 'event', $begun, $begun, $attempts, $end)",
                {
                    "id": number,
                    "state": state,
                    "channel": channel,
                    "begun": begun,
                    "attempts": attempts,
                    "end": begun + timedelta(minutes=minutes),
                },
            )
        connection.executemany(
            "INSERT INTO delivery_attempts VALUES (?, ?, ?, ?, ?, ?)",
            [
                [1, 1, "accepted", 201, None, begun],
                [2, 1, "busy", 503, "later", begun],
                [2, 2, "accepted", 201, None, NOW],
                [3, 1, "refused", 422, "zip_code is wrong", begun],
            ],
        )
    assert answers(warehouse, tmp_path, "delivery") == {
        "failed_deliveries": [
            ("busy", 503, "later", 1, 1, 1, begun),
            ("refused", 422, "zip_code is wrong", 1, 1, 0, begun),
        ],
        "time_to_delivery": [
            ("sms", 2, 2, 0, 0, 4.0, 1.5),
            ("voice", 1, 0, 0, 1, None, 1.0),
        ],
    }
