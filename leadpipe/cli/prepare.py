"""`leadpipe prepare`: makes the tables of a cluster once, before several programs would."""

import click

from leadpipe.cli.output import notes
from leadpipe.connections import open_warehouse
from leadpipe.dagster_home import ensure_dagster_home
from leadpipe.settings import load_settings, prepare_dagster


@click.command()
def prepare() -> None:
    """Make the tables of the warehouse and of Dagster, or bring them to this version.

    Every program does so when it starts. Before several start at once, as in a cluster, do it once by itself.

    \b
    Example:
      leadpipe prepare
    """
    settings = load_settings()
    home = ensure_dagster_home(settings)
    prepare_dagster(home)
    from leadpipe.execution import dagster_instance, set_places  # noqa: PLC0415 - seconds to import

    with open_warehouse(settings).connect():
        notes.print(f"The warehouse {open_warehouse(settings)} is ready.", markup=False)
    with dagster_instance(settings) as instance:
        instance.get_runs(limit=1)
    if settings.cluster is not None:
        set_places(settings)
    notes.print(f"Dagster's storage is ready ({home / 'dagster.yaml'}).", markup=False)


COMMANDS = (prepare,)
