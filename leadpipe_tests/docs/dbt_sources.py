"""dbt's sources, from the tables, columns, keys and meanings on docs/tables.md."""

import json
import re
from collections.abc import Iterator

from leadpipe_tests.docs.markdown import ROOT, sections

_TABLES = ROOT / "docs" / "tables.md"
# A folder of files, by what is published in it.
_IN_PARTS = (
    "delivery_attempts",
    "events_by_day",
    "failed_leads",
    "grouped_leads",
    "lead_deliveries",
    "leads",
    "listing_analytics",
    "listings",
    "partner_events",
    "succeeded_leads",
    "visitor_days",
    "visitor_sources",
    "visitors_by_hour",
    "week_viewers",
)
# How old the ledger may be: a sync comes every six hours.
_FRESHNESS = {"warn_after": 12, "error_after": 24}
_SHARED = "env_var('LEADPIPE_PUBLISHED')"
_PERSONAL = "env_var('LEADPIPE_PUBLISHED_PERSONAL', 'LEADPIPE_PUBLISHED_PERSONAL-is-not-set')"
_LINK = re.compile(r"\[([^\]]*)\]\([^)]*\)")
_ROW = re.compile(r"^\| `(\w+)` \| (\S+) \| (.*) \|$", re.MULTILINE)
_KEY = re.compile(r"\b[Kk]ey: `(\w+)`\.")

Column = tuple[str, str, str]
"""Name, type and meaning."""


def dbt_sources() -> str:
    """`examples/dbt/models/sources.yml`: every published table, those with personal data apart."""
    tables = dict(_described())
    personal = {name for name, (text, _) in tables.items() if "Holds personal data" in text}
    lines = [
        "# Made by `python -m leadpipe_tests.docs.reference` from docs/tables.md; a test compares.",
        "version: 2",
        "",
        "sources:",
        *_source(
            "leadpipe",
            "The published tables of leadpipe: LEADPIPE_PUBLISHED names the folder `published/current`.",
            _SHARED,
        ),
    ]
    for name, described in tables.items():
        if name not in personal:
            lines += _table(name, *described, folder=_SHARED)
    lines += _source(
        "leadpipe_personal",
        "The tables with personal data, of one publication: LEADPIPE_PUBLISHED_PERSONAL names its folder.",
        _PERSONAL,
    )
    for name, described in tables.items():
        if name in personal:
            lines += _table(name, *described, folder=_PERSONAL)
    return "\n".join(lines) + "\n"


def _described() -> Iterator[tuple[str, tuple[str, list[Column]]]]:
    """Each published table with its description and its columns' names, types and meanings."""
    for part in sections(_TABLES, level=2)["Published tables"].split("\n### ")[1:]:
        heading, _, text = part.partition("\n")
        opening = text.partition("\n|")[0]
        yield heading.strip("`"), (" ".join(opening.split()), list(_columns(text)))


def _columns(text: str) -> Iterator[Column]:
    for row in _ROW.finditer(text):
        yield row[1], row[2], row[3]


def _source(name: str, description: str, folder: str) -> list[str]:
    return [
        f"  - name: {name}",
        f"    description: {_quoted(description)}",
        "    config:",
        "      meta:",
        f'        external_location: "{{{{ {folder} }}}}/{{name}}.parquet"',
        "    tables:",
    ]


def _table(name: str, description: str, columns: list[Column], *, folder: str) -> list[str]:
    found = _KEY.search(description)
    key = found[1] if found else None
    lines = [f"      - name: {name}", f"        description: {_quoted(description)}"]
    config: list[str] = []
    if name in _IN_PARTS:
        files = f"{{{{ {folder} }}}}/{name}/*.parquet"
        config += ["          meta:", f'            external_location: "{files}"']
    if name == "runs":
        config += ["          loaded_at_field: finished_at", "          freshness:"]
        config += [
            f"            {word}: {{count: {hours}, period: hour}}"
            for word, hours in _FRESHNESS.items()
        ]
    lines += ["        config:", *config] if config else []
    lines.append("        columns:")
    for column, kind, meaning in columns:
        lines += [
            f"          - name: {column}",
            f"            data_type: {_quoted(kind)}",
            f"            description: {_quoted(meaning)}",
        ]
        lines += ["            data_tests: [unique, not_null]"] if column == key else []
    return lines


def _quoted(text: str) -> str:
    """A YAML string: JSON's are; links lead nowhere from there, and dbt takes braces for its own."""
    plain = _LINK.sub(r"\1", text).replace("\\|", "|").replace("{", "(").replace("}", ")")
    return json.dumps(plain, ensure_ascii=False)
