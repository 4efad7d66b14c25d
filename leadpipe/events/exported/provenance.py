"""Whose a file is: exported files do not name the project they came from, so PostHog is asked."""

from datetime import UTC, datetime, timedelta

import duckdb

from leadpipe.errors import OtherProject
from leadpipe.events.exported.contents import Contents
from leadpipe.events.exported.files import ExportedFile, damaged
from leadpipe.events.exported.rows import is_asked_for
from leadpipe.events.mapping.model import EventMapping
from leadpipe.events.windows import EPOCH, start_of
from leadpipe.posthog import PostHog, utc_text
from leadpipe.warehouse import memory, read_sql

_DAY = timedelta(days=1)
_MOST_SAMPLES = 50
_FEWEST_SAMPLES = 10


def refuse_other_project(
    posthog: PostHog,
    connection: duckdb.DuckDBPyConnection,
    file: ExportedFile,
    *,
    mapping: EventMapping,
    shown_from: datetime | None,
    until: datetime,
) -> None:
    """Refuse a file of whose events PostHog knows none; one question about events of one day.

    Args:
        posthog: the client.
        connection: an in-memory one.
        file: the file.
        mapping: whose events are looked at.
        shown_from: from when on PostHog shows events; None if it shows all.
        until: what it received later it may not show yet.

    Raises:
        OtherProject: at least ten events were looked for, and none was found.
        ExportedFileError: the file cannot be read.
        PostHogError.
    """
    columns = "uuid, try_cast(timestamp AS TIMESTAMPTZ) AS timestamp"
    received = (
        "try_cast(created_at AS TIMESTAMPTZ)" if "created_at" in file.columns else "timestamp"
    )
    shown = (
        f"SELECT {columns} FROM {file.relation} WHERE {is_asked_for(mapping)} "
        "AND try_cast(timestamp AS TIMESTAMPTZ) BETWEEN $shown_from AND $until "
        f"AND {received} <= $until"
    )
    values = {"shown_from": shown_from or EPOCH, "until": until}
    try:
        found = connection.execute(
            f"SELECT mode(CAST(timestamp AS DATE)) FROM ({shown})", values
        ).fetchone()
        day = found[0] if found else None
        if day is None:
            return
        uuids = [
            uuid
            for (uuid,) in connection.execute(
                f"SELECT DISTINCT CAST(try_cast(uuid AS UUID) AS VARCHAR) FROM ({shown}) "
                f"WHERE CAST(timestamp AS DATE) = $day AND try_cast(uuid AS UUID) IS NOT NULL "
                f"LIMIT {_MOST_SAMPLES}",
                {**values, "day": day},
            ).fetchall()
        ]
    except duckdb.Error as error:
        raise damaged(file.name) from error
    if len(uuids) < _FEWEST_SAMPLES:  # a few events may all have been deleted
        return
    start = start_of(day).astimezone(UTC)
    known = posthog.query(
        read_sql("events", "known_events.hogql"),
        values={
            "uuids": uuids,
            "window_start": utc_text(start),
            "window_end": utc_text(start + _DAY),
        },
        name="leadpipe: known events",
    ).decoded()
    if int(str(known[0][0])) == 0:
        raise OtherProject(
            f"{file.name} is of another project: project {posthog.project_id} of {posthog.host} has none of "
            f"{len(uuids)} of its events of {day}. Nothing of it was loaded. If they were all deleted there, "
            "and you want them all the same, say `--unproved`."
        )


def refuse_other_projects_persons(posthog: PostHog, contents: Contents, *, name: str) -> None:
    """Refuse a file whose persons are all of another project: they, unlike events, name theirs.

    Where the project is configured without its number (`@current`), nothing is known. Asks PostHog nothing.

    Raises:
        OtherProject: there are rows, and none is of this project.
        ExportedFileError: the file cannot be read.
    """
    if "team_id" not in contents.columns or not posthog.project_id.isdigit():
        return
    try:
        with memory() as connection:
            rows, other = connection.execute(
                "SELECT count(*) FILTER (WHERE team_id::BIGINT = $project), "
                "any_value(team_id::BIGINT) FILTER (WHERE team_id::BIGINT <> $project) "
                f"FROM {contents.relation}",
                {"project": int(posthog.project_id)},
            ).fetchone() or (0, None)
    except duckdb.Error as error:
        raise damaged(name) from error
    if rows == 0 and other is not None:
        raise OtherProject(
            f"{name} is of another project: its persons are of project {other}, not of project "
            f"{posthog.project_id}. Nothing of it was loaded. If you want them all the same, say "
            "`--unproved`."
        )
