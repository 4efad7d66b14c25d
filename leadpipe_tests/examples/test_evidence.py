"""The Evidence example: every query runs on published tables, and every component finds its columns."""

import re
from pathlib import Path

import duckdb
import pytest

from leadpipe_tests.docs.markdown import ROOT, blocks

_EXAMPLE = ROOT / "examples" / "evidence"
_PAGES = sorted((_EXAMPLE / "pages").rglob("*.md"))
_COMPONENT = re.compile(r"<(\w+)((?:\s+\w+=(?:\{[^}]*\}|\"[^\"]*\"|[^\s/>]+))*)\s*/?>")
_ATTRIBUTE = re.compile(r"(\w+)=(\{[^}]*\}|\"[^\"]*\"|[^\s/>]+)")
_OF_COLUMNS = {"x", "y", "y2", "series", "value", "column", "comparison", "id", "size", "name"}
_OF_LOOKS = {"data", "title", "subtitle", "fmt", "comparisonTitle", "rows", "contentType"}


@pytest.fixture
def evidence(published):
    """What Evidence makes of the sources: a table each, in the source's schema, for the pages' queries."""
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute("CREATE SCHEMA leadpipe")
        for file in sorted((_EXAMPLE / "sources" / "leadpipe").glob("*.sql")):
            sql = file.read_text().replace("${published}", str(published / "current"))
            assert "${" not in sql, file
            connection.execute(f"CREATE TABLE leadpipe.{file.stem} AS {sql}")
        yield connection


def queries(page: Path) -> dict[str, str]:
    """The page's queries by name, each with those that it names put in, as Evidence does."""
    found: dict[str, str] = {}
    for block in blocks(page, "sql"):
        assert block.title, f"{page}:{block.line} has no name"
        found[block.title] = re.sub(
            r"\$\{(\w+)\}", lambda name: f"({found[name[1]]})", block.text.strip()
        )
    return found


def components(text: str) -> list[tuple[str, str, dict[str, str]]]:
    """Name, query and attributes of each component; those inside another one have its query."""
    found: list[tuple[str, str, dict[str, str]]] = []
    query = ""
    for tag in _COMPONENT.finditer(text):
        attributes = {name: value.strip('"') for name, value in _ATTRIBUTE.findall(tag[2])}
        query = attributes.get("data", query).strip("{}")
        found.append((tag[1], query, attributes))
    return found


def wrong_columns(text: str, columns: dict[str, set[str]]) -> list[str]:
    """Columns that components name and their queries do not have."""
    wrong: list[str] = []
    for component, query, attributes in components(text):
        unknown = set(attributes) - _OF_COLUMNS - _OF_LOOKS
        assert not unknown, (
            f"{component} has {unknown}, of which nobody knows whether it is a column"
        )
        wrong += [
            f"{component} {name}={column}"
            for name in sorted(_OF_COLUMNS & set(attributes))
            for column in re.findall(r"\w+", attributes[name])
            if column not in columns[query]
        ]
    return wrong


def test_every_query_of_a_page_runs_and_has_the_columns_that_are_shown(evidence):
    """With a month of traffic no query is empty, and no component names a column that is not there."""
    shown = 0
    for page in _PAGES:
        columns: dict[str, set[str]] = {}
        for name, sql in queries(page).items():
            result = evidence.execute(sql)
            columns[name] = {column[0] for column in result.description}
            assert result.fetchall(), f"{page.name}: {name} has no rows"
        text = page.read_text()
        # What a reader sees as a component is one that is looked at.
        assert len(components(text)) == len(re.findall(r"<[A-Z]", text)) > 0
        assert wrong_columns(text, columns) == []
        shown += len(columns)
    assert shown == sum(len(blocks(page, "sql")) for page in _PAGES) >= 7


def test_a_column_that_is_not_there_is_found():
    """The comparison sees what it is for: also in lists, and in what is inside a table."""
    text = (
        "<BarChart data={a} x=day y={['n','m']} /> <DataTable data={b}><Column id=n/></DataTable>"
    )
    assert wrong_columns(text, {"a": {"day", "n"}, "b": {"m"}}) == ["BarChart y=m", "Column id=n"]


def test_no_source_tells_who_somebody_is(evidence):
    """What is in a report is read by everybody who has its address."""
    names = evidence.execute("SELECT column_name FROM information_schema.columns").fetchall()
    assert {name for (name,) in names} & {
        "seeker_id",
        "lister_id",
        "notes",
        "lead_actions",
    } == set()
