"""Dagster's home: the folder whose `dagster.yaml` says where runs are kept and how many run at once.

There are two such files: of one machine, and of a cluster, which is what LEADPIPE_BROKER makes of several.
"""

import json
import re
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path

from leadpipe.errors import ConfigurationError
from leadpipe.settings import Settings

_NAME = "dagster.yaml"
_CLUSTERS_LAUNCHER = "ClusterRunLauncher"
_STORAGE = re.compile(r"(?<=base_dir: )data(?=/)(.*)")


def ensure_dagster_home(settings: Settings) -> Path:
    """The configured home, with leadpipe's `dagster.yaml` put there if it has none.

    The storage it names is in the data folder, or a cluster's. One that is there already is left as it is.

    Raises:
        ConfigurationError: the folder cannot be written, the data folder's path has a question mark, or the
            file there is of one machine where the settings are of a cluster.
    """
    home = (settings.dagster_home or Path.cwd()).resolve()
    file = home / _NAME
    is_cluster = settings.cluster is not None
    if is_cluster and find_spec("dagster_celery") is None:
        raise ConfigurationError(
            "LEADPIPE_BROKER is set, and the packages of a cluster are not installed: "
            "pip install 'leadpipe[lake,cluster]'"
        )
    if file.exists():
        _must_fit(file, is_cluster=is_cluster)
        return home
    if "?" in str(settings.data_dir.resolve()):
        raise ConfigurationError(
            f"The data folder {settings.data_dir} has a question mark in its path, where Dagster cannot keep "
            "its runs. Choose another folder: LEADPIPE_DATA_DIR."
        )
    text = _template(is_cluster=is_cluster)
    if settings.data_dir != Path("data"):
        # A JSON string is a YAML string too, whatever is in the path.
        text = _STORAGE.sub(
            lambda found: json.dumps(f"{settings.data_dir}{found[1]}", ensure_ascii=False), text
        )
    try:
        home.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    except OSError as error:
        raise ConfigurationError(
            f"{file} cannot be written ({error.strerror}). Run leadpipe in a folder that it may write, "
            "or set DAGSTER_HOME and LEADPIPE_DATA_DIR."
        ) from error
    return home


def _must_fit(file: Path, *, is_cluster: bool) -> None:
    is_ours = "leadpipe.launcher" in (text := file.read_text(errors="replace"))
    if is_cluster and is_ours:
        raise ConfigurationError(
            f"{file} is of one machine, and LEADPIPE_BROKER is set. Move it aside, and leadpipe puts the "
            "cluster's there; or set DAGSTER_HOME to a folder of its own."
        )
    if not is_cluster and _CLUSTERS_LAUNCHER in text:
        raise ConfigurationError(
            f"{file} is a cluster's, and LEADPIPE_BROKER is not set. Set it, and DAGSTER_PG_URL; or move the "
            "file aside, and leadpipe puts that of one machine there."
        )


def _template(*, is_cluster: bool) -> str:
    """What leadpipe brings: in a wheel that of one machine lies in the package, in a clone beside it."""
    package = files("leadpipe")
    if is_cluster:
        return package.joinpath("cluster", _NAME).read_text()
    inside = package.joinpath(_NAME)
    return (inside if inside.is_file() else Path(str(package)).parent / _NAME).read_text()
