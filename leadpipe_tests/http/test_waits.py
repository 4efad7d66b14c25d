"""What `Retry-After` asks for."""

import httpx
import pytest

from leadpipe.http.waits import retry_after_seconds


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "17"}, 17.0),
        ({"retry-after": "1.5"}, 1.5),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "²"}, None),
        ({"retry-after": "١٧"}, None),
        ({"retry-after": "Sat, 21 Nov 2026 10:00:30 GMT"}, 20.0),
        ({"retry-after": "Sat, 21 Nov 2026 09:00:00 GMT"}, 0.0),
        (
            {
                "retry-after": "Sat, 21 Nov 2026 10:00:30 GMT",
                "date": "Sat, 21 Nov 2026 10:00:25 GMT",
            },
            5.0,
        ),
        ({"retry-after": "Sat, 99 Nov 2026 10:00:30 GMT"}, None),
    ],
)
def test_retry_after_is_read_in_both_forms(headers, seconds):
    """Seconds and HTTP dates are understood; a date counts from the server's own clock."""
    now = 1795255210.0  # 10:00:10 of that day
    assert (
        retry_after_seconds(
            httpx.Headers(
                {name: value.encode() for name, value in headers.items()}, encoding="utf-8"
            ),
            now=now,
        )
        == seconds
    )
