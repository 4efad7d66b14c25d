"""A draw of 100 winners among millions: freeze the list, draw, write the evidence; then verify it.

`python -m benchmarks.draw draw|verify FILE` runs one side and prints its seconds.
"""

import shutil
import sys
import tempfile
from datetime import UTC, date, datetime
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.measure import OUT, Stopwatch, print_figures, run_in_turn

if TYPE_CHECKING:
    from leadpipe.draws.rules import Rules

_DRAW_DATE = date(2026, 11, 21)
_NOW = datetime(2026, 11, 21, 7, tzinfo=UTC)
_SEED = "5eed" * 16
_FIRST_DAY = date(2026, 11, 1)


def _make(path: Path, participants: int) -> None:
    """A warehouse with a built list, as `draw_participants` leaves it."""
    from leadpipe.draws.participants import note_build  # noqa: PLC0415
    from leadpipe.warehouse import Warehouse  # noqa: PLC0415

    OUT.mkdir(exist_ok=True)
    part = path.with_suffix(".part")
    part.unlink(missing_ok=True)
    with Warehouse(part).connect() as connection:
        connection.execute(f"""
            INSERT INTO draw_participants
            SELECT DATE '{_DRAW_DATE}', '234' || (7000000000 + (i * 379) % 2999999999), 'id-' || i, n, n,
                   n * 100, 1, TIMESTAMPTZ '2026-11-20 10:00:00+00'
            FROM (SELECT i, 1 + (i * 7919) % 50 AS n FROM range({participants}) AS r(i));
        """)
        connection.execute(
            "INSERT INTO event_days (event_date, version, read_until, checked_at) "
            "SELECT CAST(day AS DATE), 1, $now, $now "
            "FROM range($first::TIMESTAMP, $now::TIMESTAMP, INTERVAL 1 DAY) AS d(day)",
            {"first": _FIRST_DAY, "now": _NOW},
        )
        note_build(connection, _DRAW_DATE, _rules(), _NOW)
    part.rename(path)


def _rules() -> "Rules":
    from leadpipe.draws.rules import Rules  # noqa: PLC0415

    return Rules(None, 50_000, "NG", _FIRST_DAY)


def _draw(path: Path) -> None:
    """Freeze and draw, with the reading of the list, until all is committed."""
    import_module("pandas")  # DuckDB does, for the first parameter
    from leadpipe.draws import drawing  # noqa: PLC0415
    from leadpipe.draws.prizes import Tier  # noqa: PLC0415
    from leadpipe.warehouse import Warehouse  # noqa: PLC0415

    with tempfile.TemporaryDirectory(dir=OUT) as folder:
        copy = Path(folder) / "leadpipe.duckdb"
        shutil.copy(path, copy)
        with Stopwatch(), Warehouse(copy).connect() as connection:
            frozen = drawing.freeze(
                connection,
                _DRAW_DATE,
                (Tier(1, "Airtime", 5_000, 100),),
                rules=_rules(),
                now=_NOW,
                seed=_SEED,
            )[1]
            evidence = drawing.run(connection, _DRAW_DATE, now=_NOW, frozen=frozen).evidence
    path.with_suffix(".json").write_bytes(evidence or b"")


def _verify(path: Path) -> None:
    """Verify the evidence of the last draw."""
    from leadpipe.draws.verify import verify_evidence  # noqa: PLC0415

    content = path.with_suffix(".json").read_bytes()
    with Stopwatch():
        verify_evidence(content)


def run(*, is_full: bool) -> None:
    """Measure drawing and verifying."""
    participants = 5_000_000 if is_full else 1_000_000
    path = OUT / f"draw-{participants}.duckdb"
    if not path.exists():
        _make(path, participants)
    figures = run_in_turn(
        {side: ["benchmarks.draw", side, str(path)] for side in ("draw", "verify")}
    )
    print_figures(f"draw: 100 winners among {participants:,} participants", figures, against="draw")
    print(f"  evidence: {path.with_suffix('.json').stat().st_size:,} bytes")


def main() -> None:
    """Run one side."""
    {"draw": _draw, "verify": _verify}[sys.argv[1]](Path(sys.argv[2]))


if __name__ == "__main__":
    main()
