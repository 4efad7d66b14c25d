"""What `leadpipe check` says of a lake and a cluster: each part by itself, with the next step.

Belongs here: findings only. How a part is tried: `leadpipe/warehouse/probing.py`, `leadpipe/cluster/`.
"""

from collections.abc import Iterator
from datetime import timedelta

from leadpipe.cli.findings import Finding
from leadpipe.dagster_home import ensure_dagster_home
from leadpipe.errors import LeadpipeError
from leadpipe.places import Cluster, Lake
from leadpipe.queues import ANYWHERE, BULK, EDGE
from leadpipe.settings import Settings
from leadpipe.warehouse import probing

_NOTABLE = timedelta(seconds=2)
_MUCH = timedelta(seconds=30)
_ANSWER_SECONDS = 3.0


def findings(settings: Settings) -> Iterator[Finding]:
    """What is right and wrong; nothing where the warehouse is one file on one machine."""
    try:
        lake, cluster = settings.lake, settings.cluster
    except LeadpipeError as error:
        yield Finding("wrong", "lake", str(error))
        return
    if lake is not None:
        yield from _lake(lake, settings)
    if cluster is not None:
        yield from _cluster(cluster, settings, lake)


def _lake(lake: Lake, settings: Settings) -> Iterator[Finding]:
    try:
        version = probing.extensions()
    except LeadpipeError as error:
        yield Finding("wrong", "lake extensions", str(error))
        return
    yield Finding("ok", "lake extensions", f"DuckDB {version} loads them")
    if lake.postgres is not None:
        yield from _catalog(lake, lake.postgres, settings)
    try:
        probing.data(lake)
    except LeadpipeError as error:
        yield Finding("wrong", "lake data", str(error))
    else:
        yield Finding("ok", "lake data", f"{lake.data}: written, read and deleted an object")


def _catalog(lake: Lake, postgres: str, settings: Settings) -> Iterator[Finding]:
    """The database of the catalog, what is held there, and that of the state."""
    try:
        found = probing.catalog(postgres)
        ahead = probing.clock_difference(postgres)
        held = probing.held_locks(postgres)
        agreed = probing.agreed_first_day(postgres)
    except LeadpipeError as error:
        yield Finding(
            "wrong", "lake catalog", f"{error}. Start it, or correct LEADPIPE_LAKE_POSTGRES"
        )
        return
    if found.format is None:
        yield Finding("ok", "lake catalog", "reached, and empty: the first use makes its tables")
    elif found.format not in probing.KNOWN_FORMATS:
        yield Finding(
            "wrong",
            "lake catalog",
            f"its format is {found.format}, and this leadpipe knows {', '.join(probing.KNOWN_FORMATS)}. Use "
            "the leadpipe that wrote it on every machine, or upgrade",
        )
    elif found.data is not None and found.data.rstrip("/") != lake.data.rstrip("/"):
        yield Finding(
            "wrong",
            "lake catalog",
            f"its files are in {found.data}, and LEADPIPE_LAKE_DATA is {lake.data}. Set that to where they "
            "are, on every machine",
        )
    else:
        yield Finding("ok", "lake catalog", f"reached, format {found.format}")
    if lake.state is not None:
        yield _state(lake.state)
    yield from (Finding("warning", "lake locks", said) for said in held.values())
    if not held:
        yield Finding("ok", "lake locks", "each was taken and given back")
    yield _clock(ahead)
    yield _first_day(settings, agreed)


def _state(postgres: str) -> Finding:
    try:
        probing.reach(postgres)
    except LeadpipeError as error:
        text = f"{error}. Make the database, or correct LEADPIPE_LAKE_STATE"
        return Finding("wrong", "lake state", text)
    return Finding("ok", "lake state", "its database is reached")


def _clock(ahead: timedelta) -> Finding:
    seconds = ahead.total_seconds()
    text = f"PostgreSQL's is {abs(seconds):.1f} s {'ahead of' if seconds > 0 else 'behind'} this machine's"
    if abs(ahead) < _NOTABLE:
        return Finding("ok", "clock", "this machine's and PostgreSQL's agree")
    return Finding(
        "wrong" if abs(ahead) >= _MUCH else "warning",
        "clock",
        f"{text}. Set both by NTP: days end when clocks say so",
    )


def _first_day(settings: Settings, agreed: str | None) -> Finding:
    configured = settings.start_date.isoformat() if settings.start_date else None
    if configured is None and agreed is None:
        return Finding(
            "warning",
            "first day",
            "the first machine that works decides it. Set LEADPIPE_START_DATE, the same on all, to decide it",
        )
    if configured and agreed and configured != agreed:
        return Finding(
            "wrong",
            "first day",
            f"LEADPIPE_START_DATE is {configured} here, and the machines of this lake began at {agreed}. Set "
            "that on all",
        )
    return Finding(
        "ok", "first day", f"{configured or agreed}, let it be the same on every machine"
    )


def _cluster(cluster: Cluster, settings: Settings, lake: Lake | None) -> Iterator[Finding]:
    if lake is None or not lake.is_shared:
        yield Finding(
            "warning",
            "cluster",
            "the warehouse is a file, so workers wait for each other, and one on another machine finds none. "
            "Set LEADPIPE_WAREHOUSE=ducklake:postgres (docs/lake.md)",
        )
    try:
        ensure_dagster_home(settings)
        probing.reach(cluster.postgres)
    except LeadpipeError as error:
        yield Finding("wrong", "Dagster's storage", f"{error}. See DAGSTER_PG_URL")
    else:
        yield Finding("ok", "Dagster's storage", "its database is reached")
    yield from _broker(cluster)


def _broker(cluster: Cluster) -> Iterator[Finding]:
    from leadpipe.cluster.broker import reach, where, workers_by_queue  # noqa: PLC0415 - an extra's

    try:
        reach(cluster.broker)
        workers = workers_by_queue(cluster.broker, seconds=_ANSWER_SECONDS)
    except LeadpipeError as error:
        yield Finding("wrong", "broker", str(error))
        return
    yield Finding("ok", "broker", f"{where(cluster.broker)} answers")
    missing = [name for name in (ANYWHERE, EDGE, BULK) if not workers.get(name)]
    if missing:
        yield Finding(
            "warning",
            "workers",
            f"none takes runs of {' and '.join(missing)}; start one: `leadpipe worker --queue "
            f"{','.join(missing)}`",
        )
        return
    counts = ", ".join(f"{number} for {name}" for name, number in workers.items())
    yield Finding("ok", "workers", counts)
