"""`leadpipe worker`: executes runs of a cluster on this machine."""

import sys

import click

from leadpipe.cli.output import notes
from leadpipe.cli.processes import replace_with
from leadpipe.dagster_home import ensure_dagster_home
from leadpipe.queues import ANYWHERE, BULK, QUEUES
from leadpipe.settings import load_settings, prepare_dagster


def _queues(context: click.Context, parameter: click.Parameter, value: str) -> tuple[str, ...]:
    """The names of a list, each once."""
    del context, parameter
    names = tuple(dict.fromkeys(name.strip() for name in value.split(",") if name.strip()))
    if wrong := [name for name in names if name not in QUEUES] or ["none"] * (not names):
        raise click.BadParameter(f"{wrong[0]} is no queue; choose of {', '.join(QUEUES)}")
    return names


@click.command()
@click.option(
    "--queue",
    "queues",
    default=f"{ANYWHERE},{BULK}",
    show_default=True,
    callback=_queues,
    help="Which runs it takes, several separated by commas: dagster, bulk (what takes long), edge (what "
    "needs the files of the machine with the page).",
)
@click.option(
    "--at-once",
    default=1,
    show_default=True,
    type=click.IntRange(1, 64),
    help="How many runs it executes at once, each in a process of its own.",
)
def worker(*, queues: tuple[str, ...], at_once: int) -> None:
    """Execute runs of a cluster on this machine, as they are handed out by LEADPIPE_BROKER.

    Stop it with Ctrl-C or SIGTERM: it takes no further run then, and waits for those it executes. What is
    killed with it is started again elsewhere.

    \b
    Examples:
      leadpipe worker
      leadpipe worker --queue bulk --at-once 2
      leadpipe worker --queue edge --at-once 2
    """
    settings = load_settings()
    cluster = settings.needed_cluster()
    home = ensure_dagster_home(settings)
    prepare_dagster(home)
    from leadpipe.cluster.broker import reach, where  # noqa: PLC0415 - an extra's packages
    from leadpipe.execution import set_places  # noqa: PLC0415 - Dagster takes seconds to import

    reach(cluster.broker)
    set_places(settings)
    notes.print(
        f"Worker for {' and '.join(queues)}, {at_once} at once, from {where(cluster.broker)}",
        markup=False,
    )
    replace_with(
        [
            *(sys.executable, "-m", "celery", "--quiet", "-A", "leadpipe.worker", "worker"),
            *("--queues", ",".join(queues), "--concurrency", str(at_once)),
            *("--loglevel", "WARNING", "--without-gossip", "--without-mingle"),
        ],
        {"DAGSTER_HOME": str(home)},
    )


COMMANDS = (worker,)
