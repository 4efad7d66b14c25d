"""Build lead records from events.

Records are a pure function of `raw_events`, the score rules and `lead_edits`; only the edits are
typed in by people (`edits.py`, `folding.py`), so everything else can be dropped and built again.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import duckdb

from leadpipe.errors import ConfigurationError
from leadpipe.events.run_days import of_runs
from leadpipe.leads.months import months_followed
from leadpipe.leads.scores import ScoreRules
from leadpipe.warehouse import read_sql


@dataclass(frozen=True)
class LeadsReport:
    """What a build did: runs built, records written, and the records' actions by type."""

    runs: int
    records: int
    actions: int


def stale_runs(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """Runs whose events changed since their records were built."""
    return [
        run_id
        for (run_id,) in connection.execute("""
            SELECT run_id FROM runs LEFT JOIN lead_builds USING (run_id)
            WHERE runs.version > 0 AND runs.version IS DISTINCT FROM lead_builds.version
            ORDER BY run_id
        """).fetchall()
    ]


def build_leads(
    connection: duckdb.DuckDBPyConnection,
    runs: Sequence[str],
    *,
    rules: ScoreRules,
    edited: Sequence[str] = (),
) -> LeadsReport:
    """Replace the records of the runs; run it inside a transaction.

    A run that was built before keeps the version of the rules it was scored by. `edited` are leads that
    people said something about since the last build.

    Raises:
        ConfigurationError: the rules changed but their version did not.
    """
    register_rules(connection, rules)
    kept = dict(connection.execute("SELECT run_id, score_version FROM lead_builds").fetchall())
    by_version: dict[str, list[str]] = {}
    for run_id in runs:
        by_version.setdefault(kept.get(run_id, rules.version), []).append(run_id)
    with months_followed(connection, runs, edited=edited):
        connection.execute(
            f"DELETE FROM leads WHERE {of_runs('first_action_date')}", {"runs": list(runs)}
        )
        connection.execute(
            "DELETE FROM lead_builds WHERE run_id IN (SELECT unnest($runs::VARCHAR[]))",
            {"runs": list(runs)},
        )
        for version, ids in sorted(by_version.items()):
            parameters = {"runs": ids, "score_version": version}
            connection.execute(
                f"INSERT INTO leads {read_sql('leads', 'lead_records.sql')}", parameters
            )
            connection.execute(
                "INSERT INTO lead_builds SELECT run_id, version, $score_version FROM runs "
                "WHERE run_id IN (SELECT unnest($runs::VARCHAR[]))",
                parameters,
            )
    found = connection.execute(
        "SELECT count(*), coalesce(sum(total_actions), 0) FROM leads "
        f"WHERE {of_runs('first_action_date')}",
        {"runs": list(runs)},
    ).fetchone()
    records, actions = found or (0, 0)
    return LeadsReport(len(runs), int(records), int(actions))


def register_rules(connection: duckdb.DuckDBPyConnection, rules: ScoreRules) -> None:
    """Keep the points of a version of the rules, once; in a transaction.

    Raises:
        ConfigurationError: the rules changed but their version did not.
    """
    known = dict(
        connection.execute(
            "SELECT lead_type, points FROM score_rules WHERE version = ?", [rules.version]
        ).fetchall()
    )
    if not known:
        connection.executemany(
            "INSERT INTO score_rules VALUES (?, ?, ?)",
            [[rules.version, lead_type, points] for lead_type, points in rules.points.items()],
        )
    elif known != dict(rules.points):
        raise ConfigurationError(
            f"The score rules of version {rules.version!r} were changed after records were scored "
            "by them. Give the changed rules a new version."
        )
