"""docs/tables.md describes every table, with the columns and types it really has."""

from leadpipe.leads.scores import BUILT_IN
from leadpipe.published.reading import query
from leadpipe.published.tables import table_names
from leadpipe_tests.docs.markdown import ROOT, sections, table_rows

_PAGE = ROOT / "docs" / "tables.md"
_PUBLISHED, _WAREHOUSE = "Published tables", "Warehouse tables"
_SHORT = {"TIMESTAMP WITH TIME ZONE": "TIMESTAMPTZ"}
_AS_PUBLISHED = "As published"


def tables_in(part: str) -> dict[str, str]:
    """The text on each table of a part of the page; both parts use the same names."""
    found: dict[str, str] = {}
    for text in sections(_PAGE, level=2)[part].split("\n### ")[1:]:
        heading, _, body = text.partition("\n")
        found[heading.strip("`")] = body
    return found


def columns(text: str) -> list[tuple[str, str]]:
    """Name and type of each column in the first table of a text."""
    return [(name, kind) for name, kind, _ in table_rows(text)]


def real_columns(result) -> list[tuple[str, str]]:
    """Name and type of each column as DESCRIBE gives them."""
    return [(name, _SHORT.get(kind, kind)) for name, kind, *_ in result]


def published_columns(folder, table: str) -> list[tuple[str, str]]:
    """A published table's columns."""
    return real_columns(query(folder, f"DESCRIBE {table}").rows)


def test_every_published_table_is_described():
    """No table is missing on the page, and none is there that is not published."""
    assert sorted(tables_in(_PUBLISHED)) == sorted(table_names())


def test_published_columns_are_the_real_ones(working_data):
    """Names, order and types of a published table's columns are those of its files."""
    said = {table: columns(text) for table, text in tables_in(_PUBLISHED).items()}
    assert said == {
        table: published_columns(working_data / "published", table) for table in table_names()
    }


def test_warehouse_columns_are_the_real_ones(warehouse, working_data):
    """Every table of the warehouse is on the page, with its columns and types."""
    with warehouse.connect() as connection:
        real = {
            name: real_columns(connection.execute(f"DESCRIBE {name}").fetchall())
            for (name,) in connection.execute("SHOW TABLES").fetchall()
        }
    said = tables_in(_WAREHOUSE)
    assert sorted(said) == sorted(real)
    for name, text in said.items():
        there = columns(text)
        if _AS_PUBLISHED in text.partition("|")[0]:
            there += published_columns(working_data / "published", name)
        assert sorted(there) == sorted(real[name]), name


def test_the_points_are_the_built_in_ones():
    """The page's score rules are those that hold without a file."""
    text = sections(_PAGE, level=2)["Lead scores"]
    assert [(kind, int(points)) for kind, points in table_rows(text)] == list(
        BUILT_IN.points.items()
    )
