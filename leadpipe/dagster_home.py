"""Dagster's home: the folder whose `dagster.yaml` says where runs are kept and how many run at once."""

import json
import re
from importlib.resources import files
from pathlib import Path

from leadpipe.errors import ConfigurationError
from leadpipe.settings import Settings

_NAME = "dagster.yaml"
_STORAGE = re.compile(r"(?<=base_dir: )data(?=/)(.*)")


def ensure_dagster_home(settings: Settings) -> Path:
    """The configured home, with leadpipe's `dagster.yaml` put there if it has none.

    The storage it names is in the data folder. One that is there already is left as it is.

    Raises:
        ConfigurationError: the folder cannot be written, or the data folder's path has a question mark.
    """
    home = (settings.dagster_home or Path.cwd()).resolve()
    file = home / _NAME
    if file.exists():
        return home
    if "?" in str(settings.data_dir.resolve()):
        raise ConfigurationError(
            f"The data folder {settings.data_dir} has a question mark in its path, where Dagster cannot keep "
            "its runs. Choose another folder: LEADPIPE_DATA_DIR."
        )
    text = _template()
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


def _template() -> str:
    """What leadpipe brings: in a wheel it lies in the package, in a clone beside it."""
    package = files("leadpipe")
    inside = package.joinpath(_NAME)
    return (inside if inside.is_file() else Path(str(package)).parent / _NAME).read_text()
