"""How often things run, where a person wants it otherwise: a file of schedules by name.

Belongs here: the file, and schedules that follow it. Does not belong here: what a schedule starts, which is
its domain's `automation.py`.
"""

from collections.abc import Mapping, Sequence
from copy import copy
from pathlib import Path
from typing import Annotated

import dagster as dg
import msgspec
from dagster._utils.schedules import is_valid_cron_string

from leadpipe.errors import ConfigurationError
from leadpipe.toml_files import read_toml
from leadpipe.zones import checked_zone


class _Frequency(msgspec.Struct, forbid_unknown_fields=True):
    cron: Annotated[str, msgspec.Meta(min_length=1)]
    timezone: str = "UTC"


class _Schedules(msgspec.Struct, forbid_unknown_fields=True):
    schedules: dict[str, str | _Frequency]


def read_schedules(file: Path, known: Sequence[str]) -> Mapping[str, tuple[str, str]]:
    """By the name of a schedule its cron expression and time zone; none without the file.

    Raises:
        ConfigurationError: the file cannot be read, or names a schedule, time or zone that is none.
    """
    try:
        listed = msgspec.convert(read_toml(file), _Schedules).schedules
    except FileNotFoundError:
        return {}
    except msgspec.ValidationError as error:
        raise ConfigurationError(
            f"{file}: {error}. It should have a section [schedules] with lines such as "
            f'{known[0]} = "0 * * * *"'
        ) from error
    found = {}
    for name, given in listed.items():
        wanted = given if isinstance(given, _Frequency) else _Frequency(given)
        if name not in known:
            raise ConfigurationError(
                f"{file}: there is no schedule {name}; choose of {', '.join(known)}"
            )
        if not is_valid_cron_string(wanted.cron):
            raise ConfigurationError(
                f"{file}: {name}: {wanted.cron!r} is no cron expression; write five fields such as "
                '"0 * * * *"'
            )
        try:
            found[name] = wanted.cron, checked_zone(wanted.timezone)
        except ValueError as error:
            raise ConfigurationError(f"{file}: {name}: {error}") from None
    return found


def as_configured(
    schedules: Sequence[dg.ScheduleDefinition], file: Path
) -> list[dg.ScheduleDefinition]:
    """The schedules, those of the file as often as it says.

    Raises:
        ConfigurationError: as `read_schedules`.
    """
    wanted = read_schedules(file, [schedule.name for schedule in schedules])
    return [
        _at(schedule, *wanted[schedule.name]) if schedule.name in wanted else schedule
        for schedule in schedules
    ]


def _at(schedule: dg.ScheduleDefinition, cron: str, timezone: str) -> dg.ScheduleDefinition:
    # Dagster's own `with_attributes` copies all but these two, and takes neither.
    changed = copy(schedule)
    changed._cron_schedule = cron  # noqa: SLF001
    changed._execution_timezone = timezone  # noqa: SLF001
    return changed
