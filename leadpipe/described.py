"""What the tables and their columns mean, as `docs/tables.md` says: the one place where that is written.

Belongs here: reading the page. What shows it is the business of `leadpipe/catalog.py` and of tests, which
compare the page with the real tables.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from pathlib import Path

_NAME = "tables.md"
_ROW = re.compile(r"^\| `(\w+)` \| ([A-Z][\w(), \[\]]*) \| (.+) \|$")
_LINK = re.compile(r"\[([^\]]+)\]\([^)]+\)")
_AS_PUBLISHED = "As published"
_PERSONAL = re.compile("personal data|about people")


@dataclass(frozen=True)
class Column:
    """A column: its type as DuckDB has it, and what it means in plain words."""

    name: str
    type: str
    meaning: str


@dataclass(frozen=True)
class Table:
    """A table: what it is, its columns in order, and whether the page says that it is about people."""

    name: str
    meaning: str
    columns: tuple[Column, ...]
    is_personal: bool

    def meanings(self) -> Mapping[str, str]:
        """What each column means, by its name."""
        return {column.name: column.meaning for column in self.columns}


@cache
def published_tables() -> Mapping[str, Table]:
    """The published tables that the page describes, by name."""
    return {table.name: table for table in _tables(_part("Published tables"))}


@cache
def warehouse_tables() -> Mapping[str, Table]:
    """The warehouse's tables that the page describes, by name; what is as published has those columns too."""
    found: dict[str, Table] = {}
    for table in _tables(_part("Warehouse tables")):
        same = published_tables().get(table.name)
        if same is not None and table.meaning.startswith(_AS_PUBLISHED):
            found[table.name] = replace(
                same,
                columns=(*same.columns, *table.columns),
                is_personal=same.is_personal or table.is_personal,
            )
        else:
            found[table.name] = table
    return found


def _part(heading: str) -> str:
    return _page().partition(f"\n## {heading}\n")[2].partition("\n## ")[0]


def _tables(text: str) -> list[Table]:
    found = []
    for section in text.split("\n### ")[1:]:
        name, _, body = section.partition("\n")
        prose = " ".join(body.partition("\n|")[0].partition("\n```")[0].split())
        rows = [row for line in body.splitlines() if (row := _ROW.match(line))]
        found.append(
            Table(
                name.strip("`"),
                _LINK.sub(r"\1", prose),
                tuple(
                    Column(row[1], row[2], _LINK.sub(r"\1", row[3]).replace("`", ""))
                    for row in rows
                ),
                _PERSONAL.search(prose) is not None,
            )
        )
    return found


@cache
def _page() -> str:
    """In a wheel it lies in the package, in a clone it is the page of the documentation."""
    package = files("leadpipe")
    inside = package.joinpath(_NAME)
    return (inside if inside.is_file() else Path(str(package)).parent / "docs" / _NAME).read_text(
        encoding="utf-8"
    )
