"""Ask a domain's questions of what a test has stored: `answers(warehouse, folder, "leads")`."""

from pathlib import Path

from leadpipe.published.questions import questions
from leadpipe.published.reading import first_rows
from leadpipe.published.tables import publish_tables
from leadpipe.warehouse import Warehouse

Rows = list[tuple[object, ...]]


def answers(warehouse: Warehouse, folder: Path, domain: str) -> dict[str, Rows]:
    """Publish, and give the rows of each question of the domain, by its name."""
    with warehouse.connect() as connection:
        publish_tables(connection, folder / "published")
    return {
        question.name: list(
            first_rows(folder / "published", question.sql, most_rows=1_000, seconds=60.0).rows.rows
        )
        for question in questions()
        if question.domain == domain
    }
