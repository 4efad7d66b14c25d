"""What `leadpipe check` says of a lake and a cluster: PostgreSQL, Redis and an S3 server are real."""

import shutil
from datetime import timedelta

import psycopg
import pytest

from leadpipe.cli import lake as lake_check
from leadpipe.places import Lake
from leadpipe.settings import whole_settings
from leadpipe.warehouse import Warehouse, extensions, locks, probing
from leadpipe_tests.dagster_ui.processes import free_port
from leadpipe_tests.s3_server import secret_of

_FIRST = "2026-01-01"


@pytest.fixture
def place(machine_clock, postgres, s3_bucket):
    """The settings of a lake that is well."""
    return {
        "warehouse": "ducklake:postgres",
        "lake_postgres": postgres.new_database(),
        "lake_state": postgres.new_database(),
        "lake_data": f"s3://{s3_bucket.name}/lake/",
        "lake_key_id": "writer",
        "lake_secret": secret_of("writer"),
        "lake_endpoint": s3_bucket.endpoint,
        "start_date": _FIRST,
    }


def found(**fields):
    """What is said, by what it is of."""
    settings = whole_settings()(_env_file=None, **fields)
    said = list(lake_check.findings(settings))
    whole = "\n".join(f"{one.verdict} {one.what}: {one.text}" for one in said)
    assert secret_of("writer") not in whole
    assert "sesame" not in whole
    return {one.what: (one.verdict, one.text) for one in said}


@pytest.mark.file_only("says what is not said of a file")
def test_one_file_has_no_lake():
    """Nothing is said of what is not used."""
    assert found() == {}


def test_a_lake_that_is_well(place):
    """Each part is tried and fine, before the first use and after it; nothing is left in the bucket."""
    assert [one for one in found(**place).values() if one[0] != "ok"] == []
    assert "empty" in found(**place)["lake catalog"][1]
    lake = whole_settings()(_env_file=None, **place).lake
    assert lake is not None
    with psycopg.connect(str(lake.postgres)) as connection:
        connection.execute(
            "CREATE TABLE ducklake_metadata AS SELECT * FROM (VALUES ('version', '1.0'), ('data_path', %s)) "
            "AS t (key, value)",
            [place["lake_data"]],
        )
    said = found(**place)
    assert [one for one in said.values() if one[0] != "ok"] == []
    assert said["lake catalog"] == ("ok", "reached, format 1.0")
    assert said["first day"][1].startswith(_FIRST)


def test_the_known_format_is_the_one_that_is_written(postgres, tmp_path):
    """The catalog that the locked extension makes has a format that the check knows."""
    lake = Lake(f"postgres:{postgres.new_database()}", f"{tmp_path}/lake/")
    with Warehouse(tmp_path / "data" / "x.duckdb", lake=lake).connect():
        pass
    seen = probing.catalog(str(lake.postgres))
    assert (seen.format in probing.KNOWN_FORMATS, seen.data) == (True, lake.data)


@pytest.mark.parametrize(
    ("keys", "values", "said"),
    [
        (("version", "data_path"), ("9.9", "{data}"), "format is 9.9, and this leadpipe knows 1.0"),
        (("version", "data_path"), ("1.0", "s3://other/"), "files are in s3://other/, and LEADPIPE_LAKE_"),
    ],
)  # fmt: skip
def test_another_catalog_is_said(place, keys, values, said):
    """One of another version of DuckLake, and one whose files are elsewhere."""
    with psycopg.connect(place["lake_postgres"]) as connection:
        connection.execute("CREATE TABLE ducklake_metadata (key TEXT, value TEXT)")
        for key, value in zip(keys, values, strict=True):
            connection.execute(
                "INSERT INTO ducklake_metadata VALUES (%s, %s)",
                [key, value.format(data=place["lake_data"])],
            )
    verdict, text = found(**place)["lake catalog"]
    assert (verdict, said in text) == ("wrong", True), text


@pytest.mark.parametrize(
    ("wrong", "what", "said"),
    [
        ({"lake_data": "s3://no-such-bucket-anywhere/"}, "lake data", "there is no such bucket. Make it"),
        ({"lake_key_id": "lister", "lake_secret": secret_of("lister")}, "lake data", "the key lacks a right"),
        ({"lake_key_id": "stranger"}, "lake data", "Correct LEADPIPE_LAKE_KEY_ID"),
        ({"lake_secret": "sesame-sesame-sesame"}, "lake data", "Correct LEADPIPE_LAKE_SECRET"),
        ({"lake_endpoint": "http://127.0.0.1:1"}, "lake data", "reached at 127.0.0.1:1. Start it"),
        ({"lake_postgres": "host=127.0.0.1 port=1 dbname=lake"}, "lake catalog", "refused"),
        ({"lake_state": "host=127.0.0.1 port=1 dbname=state"}, "lake state", "LEADPIPE_LAKE_STATE"),
    ],
    ids=["bucket", "rights", "key", "secret", "store", "catalog", "state"],
)  # fmt: skip
def test_what_is_wrong_is_said_with_the_next_step(place, wrong, what, said):
    """A line that names the part and the setting to correct, and no key or secret."""
    verdict, text = found(**{**place, **wrong})[what]
    assert (verdict, said in text) == ("wrong", True), text
    assert "\n" not in text


@pytest.mark.parametrize(
    ("configured", "agreed", "verdict"),
    [
        (_FIRST, None, "ok"),
        (None, _FIRST, "ok"),
        (_FIRST, "2026-02-01", "wrong"),
        (None, None, "warning"),
    ],
)
def test_the_first_day_is_one(place, configured, agreed, verdict):
    """What is set has to be that on which the lake's machines have agreed."""
    if agreed:
        with psycopg.connect(place["lake_postgres"]) as connection:
            connection.execute("CREATE TABLE leadpipe_agreed (name TEXT, value TEXT)")
            connection.execute("INSERT INTO leadpipe_agreed VALUES ('first_day', %s)", [agreed])
    said = found(**{**place, "start_date": configured})["first day"]
    assert said[0] == verdict
    assert verdict != "wrong" or agreed in said[1]


def test_a_held_lock_is_said(place):
    """Somebody at work is no fault, but worth a look where it stays so."""
    with locks.holding(place["lake_postgres"], ("door",), timeout_seconds=1):
        verdict, text = found(**place)["lake locks"]
    assert (verdict, "'door' is held by PostgreSQL's process" in text) == ("warning", True), text


def test_an_extension_of_another_version_is_said(place, tmp_path, monkeypatch):
    """DuckDB loads none that is not its own version's; the line says what to install."""
    real = extensions._file("ducklake")
    other = tmp_path / real.name
    shutil.copy(real, other)
    with other.open("r+b") as file:
        file.seek(-512, 2)
        footer = file.read()
        file.seek(-512, 2)
        file.write(footer.replace(b"v1.5.5", b"v1.4.0"))
    find = extensions._file
    monkeypatch.setattr(
        extensions, "_file", lambda name: other if name == "ducklake" else find(name)
    )
    said = found(**place)
    assert said["lake extensions"][0] == "wrong"
    assert "cannot load its extension ducklake" in said["lake extensions"][1]
    assert "pip install 'leadpipe[lake]'" in said["lake extensions"][1]


@pytest.mark.parametrize(("seconds", "verdict"), [(0.5, "ok"), (-5.0, "warning"), (90.0, "wrong")])
def test_clocks_that_differ_are_said(place, monkeypatch, seconds, verdict):
    """Some seconds are worth a look, half a minute is wrong: days end when clocks say so."""
    monkeypatch.setattr(probing, "clock_difference", lambda _: timedelta(seconds=seconds))
    assert found(**place)["clock"][0] == verdict


def test_a_cluster_whose_parts_answer(place, postgres, redis):
    """Storage and broker are reached; that nobody takes runs is said with the command that would."""
    address = dict(word.split("=") for word in postgres.new_database().split())
    url = "postgresql+psycopg2://{user}@{host}:{port}/{dbname}".format(**address)
    said = found(**place, broker=redis.new_database(), dagster_postgres=url)
    assert (said["Dagster's storage"][0], said["broker"][0]) == ("ok", "ok")
    assert said["workers"][0] == "warning"
    assert "start one: `leadpipe worker --queue dagster,edge,bulk`" in said["workers"][1]
    port = free_port()
    gone = found(
        **place,
        broker=f"redis://:sesame-sesame-sesame@127.0.0.1:{port}/0",
        dagster_postgres="postgresql+psycopg2://leadpipe@127.0.0.1:1/dagster",
    )
    assert gone["broker"][0] == gone["Dagster's storage"][0] == "wrong"
    assert f"The broker at 127.0.0.1:{port} does not answer" in gone["broker"][1]


def test_workers_on_a_file_are_warned_of(postgres, redis):
    """Several workers need a warehouse that they share."""
    said = found(
        broker=redis.new_database(),
        dagster_postgres="postgresql+psycopg2://leadpipe@127.0.0.1:1/dagster",
    )
    assert said["cluster"][0] == "warning"
    assert "LEADPIPE_WAREHOUSE=ducklake:postgres" in said["cluster"][1]
