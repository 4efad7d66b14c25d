"""Small builders of mappings for tests."""

from pathlib import Path

from leadpipe.events.mapping.model import EventMapping
from leadpipe.events.mapping.reading import read_mapping
from leadpipe.events.mapping.versions import adopt
from leadpipe.warehouse import Warehouse
from leadpipe_tests.clocks import NOW


def mapping_of(folder: Path, text: str) -> EventMapping:
    """The mapping of a file with this text."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "events.toml"
    path.write_text(text)
    return read_mapping(path)


def use(warehouse: Warehouse, text: str) -> EventMapping:
    """Let the warehouse type what comes by a mapping, whose file is beside it."""
    mapping = mapping_of(warehouse.path.parent, text)
    with warehouse.writing("door") as connection:
        adopt(connection, mapping, now=NOW)
    return mapping
