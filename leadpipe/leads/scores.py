"""Lead score rules: points per kind of lead, with a version that is kept on every record.

Rules are a small TOML file; without one the built-in rules of 2025 hold. Applying them is SQL
(`lead_records.sql`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from leadpipe.errors import ConfigurationError
from leadpipe.toml_files import read_toml

LEAD_TYPES = ("appointment", "phone", "direct_message", "whatsapp", "email", "website")
_LONGEST_VERSION = 40
_MOST_POINTS = 10_000


@dataclass(frozen=True)
class ScoreRules:
    """Points per kind of lead, and the version under which records keep them."""

    version: str
    points: Mapping[str, int]


BUILT_IN = ScoreRules(
    "built-in",
    {
        "appointment": 40,
        "phone": 30,
        "direct_message": 20,
        "whatsapp": 15,
        "email": 10,
        "website": 0,
    },
)


def load_rules(path: Path) -> ScoreRules:
    """The rules of a TOML file, or the built-in ones when there is no such file.

    The file holds `version = "…"` and a table `[points]` with a whole number of at least 0 for each
    of `LEAD_TYPES`.

    Raises:
        ConfigurationError: names the file, the entry and what it should be.
    """
    try:
        content = read_toml(path)
    except FileNotFoundError:
        return BUILT_IN
    version, points = content.get("version"), content.get("points")
    if not isinstance(version, str) or not 0 < len(version) <= _LONGEST_VERSION:
        raise ConfigurationError(f'{path}: version should be a short text such as "2026-11"')
    if version == BUILT_IN.version:
        raise ConfigurationError(f"{path}: version {version!r} is taken; choose another name")
    if not isinstance(points, dict):
        raise ConfigurationError(f"{path}: a table [points] should give the points per lead type")
    if odd := sorted(set(points) ^ set(LEAD_TYPES)):
        raise ConfigurationError(
            f"{path}: [points] should have exactly {', '.join(LEAD_TYPES)}; see {', '.join(odd)}"
        )
    for lead_type, value in points.items():
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= _MOST_POINTS:
            raise ConfigurationError(
                f"{path}: points.{lead_type} = {value!r} should be a whole number "
                f"from 0 to {_MOST_POINTS}"
            )
    return ScoreRules(version, {lead_type: points[lead_type] for lead_type in LEAD_TYPES})
