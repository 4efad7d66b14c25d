"""Dagster's home: made once, in the data folder's terms, and never taken from its owner."""

import dagster as dg
import pytest
import yaml

from leadpipe.dagster_home import ensure_dagster_home
from leadpipe.errors import ConfigurationError
from leadpipe.execution import dagster_instance
from leadpipe.settings import whole_settings


def settings(**fields):
    return whole_settings()(_env_file=None, **fields)


def test_it_is_the_working_directory_and_the_files_are_in_data(tmp_path):
    """Without a word of configuration: ./dagster.yaml, and the storage in ./data."""
    assert ensure_dagster_home(settings(data_dir="data", dagster_home=None)) == tmp_path
    said = yaml.safe_load((tmp_path / "dagster.yaml").read_text())
    assert said["storage"]["sqlite"]["base_dir"] == "data/dagster"
    assert said["concurrency"]["pools"]["default_limit"] == 1


def test_the_storage_follows_the_data_folder(tmp_path):
    """Whatever is in its name; Dagster can read what was written."""
    data = tmp_path / "my: data # \"1\" 'two'"
    configured = settings(data_dir=data, dagster_home=tmp_path / "new" / "home")
    with dagster_instance(configured) as instance:
        assert isinstance(instance, dg.DagsterInstance)
        assert instance.get_runs() == []
    assert (data / "dagster" / "history").is_dir()
    assert not (tmp_path / "data").exists()


def test_a_file_that_is_there_is_kept(tmp_path):
    """It is its owner's, leadpipe's or not."""
    mine = "telemetry:\n  enabled: false\n"
    (tmp_path / "dagster.yaml").write_text(mine)
    ensure_dagster_home(settings(dagster_home=tmp_path))
    assert (tmp_path / "dagster.yaml").read_text() == mine


def test_a_folder_that_cannot_be_written_is_said_in_a_line(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(
        ConfigurationError, match=r"file/home/dagster\.yaml cannot be written .*HOME"
    ):
        ensure_dagster_home(settings(dagster_home=tmp_path / "file" / "home"))
