"""Prize tiers: read and check a prizes file."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from leadpipe.errors import ConfigurationError
from leadpipe.toml_files import read_toml

_MOST = 10_000
_LONGEST_NAME = 200
_EXAMPLE = '[[tiers]] with id = 1, name = "Jackpot", value = 1000000, winners = 1, runner_ups = 2'


@dataclass(frozen=True)
class Tier:
    """One prize tier: its value in whole naira for each winner, how many win, how many stand by."""

    id: int
    name: str
    value: int
    winners: int
    runner_ups: int = 0


@dataclass(frozen=True)
class Place:
    """One place to draw for: the rank is within the tier and the kind, from 1."""

    tier: Tier
    is_runner_up: bool
    rank: int


def load_prizes(path: Path) -> tuple[Tier, ...]:
    """The tiers of a TOML file, in order of their ids.

    Raises:
        ConfigurationError: the file cannot be read, or its tiers have gaps, duplicates or odd values.
    """
    try:
        content = read_toml(path)
    except FileNotFoundError:
        raise ConfigurationError(f"There is no prizes file {path}") from None
    if unknown := sorted(set(content) - {"tiers"}):
        raise ConfigurationError(f"{path}: unknown key {unknown[0]!r}; write {_EXAMPLE}")
    tables = content.get("tiers")
    if not isinstance(tables, list) or not tables:
        raise ConfigurationError(f"{path} has no prize tiers; write {_EXAMPLE}")
    try:
        return check_tiers(tables)
    except ConfigurationError as error:
        raise ConfigurationError(f"{path}: {error}") from None


def check_tiers(tables: list[Any]) -> tuple[Tier, ...]:
    """Tiers from plain tables, in order of their ids.

    Raises:
        ConfigurationError: a key is missing, unknown or of an odd value; ids have gaps or duplicates.
    """
    tiers = sorted((_tier(table, number) for number, table in enumerate(tables, 1)), key=_id)
    ids = [tier.id for tier in tiers]
    names = [tier.name for tier in tiers]
    if twice := [tier for tier in tiers if ids.count(tier.id) > 1]:
        raise ConfigurationError(f"two tiers have the id {twice[0].id}")
    if twice := [tier for tier in tiers if names.count(tier.name) > 1]:
        raise ConfigurationError(f"two tiers have the name {twice[0].name!r}")
    if ids != list(range(1, len(ids) + 1)):
        gap = next(number for number in range(1, len(ids) + 2) if number not in ids)
        raise ConfigurationError(
            f"tier ids must be 1 to {len(ids)} without a gap, but there is no tier {gap}"
        )
    return tuple(tiers)


def _id(tier: Tier) -> int:
    return tier.id


def _tier(table: object, number: int) -> Tier:
    where = f"tier number {number}"
    if not isinstance(table, dict):
        raise ConfigurationError(f"{where} is no table; write {_EXAMPLE}")
    values: dict[str, Any] = {"runner_ups": 0, **table}
    wanted = {"id", "name", "value", "winners", "runner_ups"}
    if missing := sorted(wanted - set(values)):
        raise ConfigurationError(f"{where} has no {missing[0]}; write {_EXAMPLE}")
    if unknown := sorted(set(values) - wanted):
        raise ConfigurationError(f"{where}: unknown key {unknown[0]!r}; write {_EXAMPLE}")
    bounds = {
        "id": (1, _MOST),
        "value": (0, 10**15),
        "winners": (1, _MOST),
        "runner_ups": (0, _MOST),
    }
    for key, (least, most) in bounds.items():
        value = values[key]
        if type(value) is not int or not least <= value <= most:
            raise ConfigurationError(
                f"{where}: {key} is {value!r}; it must be a whole number from {least} to {most}"
            )
    name = values["name"]
    if not isinstance(name, str) or not name.strip() or len(name) > _LONGEST_NAME:
        raise ConfigurationError(f"{where}: name must be a text of 1 to {_LONGEST_NAME} characters")
    return Tier(
        values["id"], name.strip(), values["value"], values["winners"], values["runner_ups"]
    )


def places_of(tiers: tuple[Tier, ...]) -> list[Place]:
    """The places in the order they are drawn: winners of all tiers, then runner-ups of all tiers.

    So nobody loses a prize of a later tier by standing by for an earlier one.
    """
    return [
        Place(tier, is_runner_up, rank)
        for is_runner_up in (False, True)
        for tier in tiers
        for rank in range(1, (tier.runner_ups if is_runner_up else tier.winners) + 1)
    ]


def tiers_as_dicts(tiers: tuple[Tier, ...]) -> list[dict[str, Any]]:
    """The tiers as plain tables, as an announcement has them."""
    return [asdict(tier) for tier in tiers]
