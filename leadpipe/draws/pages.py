"""What the page shows of draws: the latest."""

from typing import Any

from leadpipe.web.parts import Look, Pages, Panel

_DRAWS = 10


def _latest_draws(look: Look) -> dict[str, Any] | None:
    """The latest draws, with how many have won."""
    rows = look.query(
        """
        SELECT draw_date, status, participants, total_entries,
               announcement ->> '$.rules.begins_at' AS begins_at,
               announcement ->> '$.rules.draw_timezone' AS draw_timezone,
               announcement ->> '$.rules.naive_timezone' AS naive_timezone,
               count(winner.rank) FILTER (NOT winner.is_runner_up) AS winners
        FROM draws LEFT JOIN draw_winners AS winner USING (draw_id, draw_date)
        GROUP BY ALL ORDER BY draw_date DESC, status LIMIT $draws
        """,
        {"draws": _DRAWS},
    )
    return {"rows": rows} if rows else None


PAGES = Pages(panels=[Panel("section", "draws/panel.html", _latest_draws)])
