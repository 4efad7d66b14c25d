"""What makes a cluster, and what of it is refused."""

import json
import subprocess
import sys

import pytest
from click.testing import CliRunner

from leadpipe.cli import main
from leadpipe.dagster_home import ensure_dagster_home
from leadpipe.errors import ConfigurationError
from leadpipe.queues import QUEUE_TAG
from leadpipe.settings import Settings, child_environment, load_settings
from leadpipe_tests.cluster.test_workers import cluster_environment, places

_BROKER = "redis://:sesame-sesame-sesame@redis.internal/0"
_URL = "postgresql+psycopg2://leadpipe@db.internal/dagster"
_DEFINED = """
import json, sys
from leadpipe.definitions import defs
jobs = {job.name: defs.resolve_job_def(job.name) for job in defs.jobs}
assets = {
    key.to_user_string(): spec.tags.get("dagster-celery/queue")
    for asset in defs.assets
    for spec in getattr(asset, "specs", [asset])
    for key in [spec.key]
}
policy = jobs["sync"].backfill_policy
json.dump({
    "jobs": {name: job.tags.get("dagster-celery/queue") for name, job in jobs.items()},
    "assets": {name: queue for name, queue in assets.items() if queue},
    "days": policy.max_partitions_per_run,
}, sys.stdout)
"""


def defined(**extra):
    """The queues of jobs and assets, and how many days of a backfill a run takes."""
    done = subprocess.run(
        [sys.executable, "-c", _DEFINED],
        env=child_environment(extra),
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)


def test_one_machine_has_no_queues():
    """Without a broker no job, asset or run is tagged, and a backfill is one run."""
    found = defined()
    assert {*found["jobs"].values()} == {None}
    assert found["assets"] == {}
    assert "publication" not in found["jobs"]
    assert found["days"] is None


def test_a_cluster_has_queues():
    """What needs the page's machine goes there, what takes long waits; a backfill is cut into months."""
    found = defined(LEADPIPE_BROKER=_BROKER, DAGSTER_PG_URL=_URL)
    named = {job: queue for job, queue in found["jobs"].items() if queue}
    assert named == {
        "inbox": "edge",
        "delivery": "edge",
        "sync_leads": "edge",
        "publication": "edge",
        "files": "bulk",
    }
    assert found["assets"] == {
        "webhook_events": "edge",
        "lead_deliveries": "edge",
        "interaction_syncs": "edge",
        "exported_files": "bulk",
    }
    assert found["days"] == 30


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"DAGSTER_PG_URL": "postgresql://leadpipe@db/dagster"}, "the bare scheme means another driver"),
        ({"DAGSTER_PG_URL": "postgresql+psycopg2://db"}, "postgresql\\+psycopg2://user@host/database"),
        ({"DAGSTER_PG_URL": "postgresql+psycopg2://a:geheim@db/dagster"}, "name it in PGPASSFILE"),
        ({"LEADPIPE_BROKER": "amqp://guest@localhost:5672//"}, "redis://host:6379/0"),
        ({"LEADPIPE_BROKER": "redis.internal:6379"}, "redis://host:6379/0"),
        ({"LEADPIPE_WORKERS": "0"}, "greater than or equal to 1"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_said_by_name(given, said, monkeypatch):
    """A line that names the setting and how it is written; never what was written there."""
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    ((name, value),) = given.items()
    with pytest.raises(ConfigurationError, match=f"^{name}: .*{said}") as error:
        load_settings(Settings)
    assert "geheim" not in str(error.value)
    assert "guest" not in str(error.value)


def test_half_a_cluster_is_none(monkeypatch):
    """Broker and storage belong together; the one that is missing is named."""
    monkeypatch.setenv("LEADPIPE_BROKER", _BROKER)
    with pytest.raises(ConfigurationError, match="DAGSTER_PG_URL is not set"):
        assert load_settings(Settings).cluster
    monkeypatch.setenv("LEADPIPE_BROKER", "")
    monkeypatch.setenv("DAGSTER_PG_URL", _URL)
    with pytest.raises(ConfigurationError, match="LEADPIPE_BROKER is not set"):
        assert load_settings(Settings).cluster


def test_the_password_of_the_broker_is_shown_nowhere(monkeypatch):
    """Neither by the settings nor by what a cluster is."""
    monkeypatch.setenv("LEADPIPE_BROKER", _BROKER)
    monkeypatch.setenv("DAGSTER_PG_URL", _URL)
    settings = load_settings(Settings)
    assert "sesame" not in repr(settings) + repr(settings.cluster)


def test_the_home_is_that_of_a_cluster(monkeypatch, tmp_path):
    """A cluster's file is put there; one of the other kind is left, and the way out said."""
    monkeypatch.setenv("LEADPIPE_BROKER", _BROKER)
    monkeypatch.setenv("DAGSTER_PG_URL", _URL)
    cluster = load_settings(Settings)
    assert ensure_dagster_home(cluster) == tmp_path
    text = (tmp_path / "dagster.yaml").read_text()
    assert "ClusterRunLauncher" in text
    assert "redis" not in text.lower().replace("over redis", "").replace("postgresql and redis", "")
    ensure_dagster_home(cluster)
    monkeypatch.setenv("LEADPIPE_BROKER", "")
    monkeypatch.setenv("DAGSTER_PG_URL", "")
    with pytest.raises(
        ConfigurationError, match=r"dagster\.yaml is a cluster's, and LEADPIPE_BROKER"
    ):
        ensure_dagster_home(load_settings(Settings))
    (tmp_path / "dagster.yaml").unlink()
    ensure_dagster_home(load_settings(Settings))
    with pytest.raises(
        ConfigurationError, match=r"dagster\.yaml is of one machine, and LEADPIPE_BROKER"
    ):
        ensure_dagster_home(cluster)


def test_all_tables_are_made_once_before_programs_start(
    machine_clock, postgres, redis, monkeypatch, tmp_path
):
    """`leadpipe prepare` makes those of the warehouse and of Dagster, and the places; again it is no harm."""
    cluster = cluster_environment(postgres, redis, workers=3)
    for name, value in {**cluster, "LEADPIPE_DATA_DIR": str(tmp_path / "data")}.items():
        monkeypatch.setenv(name, value)
    for _ in range(2):
        done = CliRunner().invoke(main, ["prepare"])
        assert done.exit_code == 0, done.output
        assert places(cluster) == 3
    assert (tmp_path / "data" / "leadpipe.duckdb").exists()
    assert "ClusterQueue" in (tmp_path / "dagster.yaml").read_text()


def test_a_worker_wants_a_cluster_and_known_queues():
    """Without one it says what to set; a queue that there is none of is named."""
    without = CliRunner().invoke(main, ["worker"])
    assert (without.exit_code, "set LEADPIPE_BROKER and DAGSTER_PG_URL" in without.output) == (
        1,
        True,
    )
    wrong = CliRunner().invoke(main, ["worker", "--queue", "edge,fast"])
    assert (wrong.exit_code, "fast is no queue; choose of dagster, edge, bulk" in wrong.output) == (
        2,
        True,
    )
    assert QUEUE_TAG == "dagster-celery/queue"
