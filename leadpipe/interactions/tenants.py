"""Tenants: which there are, which of their programs are synced, and where their leads file is.

Belongs here: names and paths, and the file that lists tenants. Does not belong here: opening leads files.
"""

import re
from collections.abc import Mapping
from pathlib import Path, PurePath

import msgspec

from leadpipe.errors import ConfigurationError
from leadpipe.toml_files import read_toml

PLACEHOLDER = "<tenant>"
SEPARATOR = "/"
_TENANT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_PROGRAM = re.compile(r"[^\s/\x00-\x1f\x7f](?:[^/\x00-\x1f\x7f]{0,198}[^\s/\x00-\x1f\x7f])?")


class _Tenant(msgspec.Struct, forbid_unknown_fields=True):
    programs: list[str]


class _Tenants(msgspec.Struct, forbid_unknown_fields=True):
    tenants: dict[str, _Tenant]


def checked_tenant(name: str) -> str:
    """A tenant's name unchanged, if it can be the name of a folder and nothing else.

    Raises:
        ConfigurationError: it is empty, too long, or has a character that a path could use to escape.
    """
    if _TENANT.fullmatch(name):
        return name
    raise ConfigurationError(
        f"The tenant {name[:100]!a} is refused: a tenant has 1 to 100 letters, digits, . _ or - "
        "and begins with a letter or digit."
    )


def checked_program(name: str) -> str:
    """A program's id unchanged, if it is one line of at most 200 characters without a slash.

    Raises:
        ConfigurationError: it is not.
    """
    if _PROGRAM.fullmatch(name) and "..." not in name:
        return name
    raise ConfigurationError(
        f"The program {name[:100]!a} is refused: a program's id has 1 to 200 characters, no slash, "
        "no line break and no blank at its ends."
    )


def leads_path(pattern: str, tenant: str) -> Path:
    """Where a tenant's leads file is: the pattern with the tenant's name in it.

    A folder of the tenant that is a link elsewhere is refused: it could lead to another's file.

    Raises:
        ConfigurationError: the tenant's name or the pattern cannot be used.
    """
    parts = PurePath(pattern).parts
    if PLACEHOLDER not in pattern or ".." in parts[_first_with_placeholder(parts) :]:
        raise ConfigurationError(
            f"LEADPIPE_LEADS_FILE={pattern!r} should be a path with {PLACEHOLDER} in it and no .. after "
            f"it, such as data/tenants/{PLACEHOLDER}/leads.json"
        )
    path = Path(pattern.replace(PLACEHOLDER, checked_tenant(tenant)))
    first = _first_with_placeholder(parts)
    root = Path(*path.parts[:first]).resolve()
    inside = root.joinpath(*path.parts[first:-1])
    if inside.resolve() != inside:
        raise ConfigurationError(
            f"{path.parent} leads elsewhere by a symbolic link; leadpipe writes to the folder itself "
            "only. Put the folder there, or change LEADPIPE_LEADS_FILE."
        )
    return path


def _first_with_placeholder(parts: tuple[str, ...]) -> int:
    return next((number for number, part in enumerate(parts) if PLACEHOLDER in part), 0)


def read_tenants(file: Path) -> list[str]:
    """The partitions `tenant/program` that the tenants file lists, sorted; none without the file.

    Raises:
        ConfigurationError: the file cannot be read, or lists what cannot be a tenant or program.
    """
    try:
        listed = msgspec.convert(read_toml(file), _Tenants).tenants
    except FileNotFoundError:
        return []
    except msgspec.ValidationError as error:
        raise ConfigurationError(
            f'{file}: {error}. It should have a section [tenants.NAME] with programs = ["…"] for '
            "each tenant."
        ) from error
    try:
        return sorted(_partitions(listed))
    except ConfigurationError as error:
        raise ConfigurationError(f"{file}: {error}") from None


def _partitions(listed: Mapping[str, _Tenant]) -> set[str]:
    return {
        f"{checked_tenant(tenant)}{SEPARATOR}{checked_program(program)}"
        for tenant, its in listed.items()
        for program in its.programs
    }
