"""The list of domains: what each brings fits, what clashes is named, and nothing is loaded for nothing."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

import leadpipe
from leadpipe import domains
from leadpipe.cli import _Group
from leadpipe.definitions import build_defs
from leadpipe.domains import DOMAINS, HasCommands, HasTables, owners, parts
from leadpipe.errors import DomainMisfit
from leadpipe.published.tables import table_names
from leadpipe.settings import whole_settings
from leadpipe.warehouse.migrations import gather_migrations, gather_state
from leadpipe.web.app import create_app

_KINDS = sorted(domains._PARTS, key=lambda kind: kind.__name__)


@pytest.fixture
def bring(tmp_path, monkeypatch):
    """Add a domain to the list: `bring("extra", {"tables.py": "…"})`."""

    def brought(name: str, files: dict[str, str]) -> None:
        folder = tmp_path / "more" / name
        folder.mkdir(parents=True)
        (folder / "__init__.py").write_text(files.pop("__init__.py", '"""An extra domain."""\n'))
        for file, text in files.items():
            (folder / file).write_text(text)
        monkeypatch.setattr(leadpipe, "__path__", [*leadpipe.__path__, str(tmp_path / "more")])
        monkeypatch.setattr(domains, "DOMAINS", (*DOMAINS, name))

    yield brought
    for module in [name for name in sys.modules if name.startswith("leadpipe.extra")]:
        del sys.modules[module]


@pytest.mark.parametrize("kind", _KINDS, ids=lambda kind: kind.__name__)
def test_every_part_fits(kind):
    """Each module under a part's name has what the part promises; every kind has at least one."""
    assert list(parts(kind))


def test_each_table_belongs_to_whom_it_says(warehouse):
    """A domain's TABLES are those that its migrations make, and no table is nobody's."""
    listed = {table for _, part in parts(HasTables) for table in part.TABLES}
    with warehouse.connect() as connection:
        made = {table for (table,) in connection.execute("SHOW TABLES").fetchall()}
    assert made == listed | {"migrations"}


def test_help_names_the_commands_that_are_there():
    """The lines of `leadpipe --help` are those of the commands that the domains really have."""
    for domain, part in parts(HasCommands):
        package = sys.modules[f"leadpipe.{domain}"]
        assert sorted(package.COMMANDS) == sorted(str(command.name) for command in part.COMMANDS)


_TABLES = """
TABLES = ("{table}",)
STATE = {{}}
MIGRATIONS = ()
"""
_SETTINGS = """
from pydantic import Field
from leadpipe.settings import Settings
class SECTION(Settings):
    mine: str = Field("", alias="{alias}")
"""
_PUBLISHED = """
TABLES = ("runs",)
ASSETS = ()
def published(connection, *, now): yield from ()
"""
_PAGES = """
from starlette.routing import Route
from leadpipe.web.parts import Pages
PAGES = Pages(routes=[Route("/api/webhooks/posthog", lambda request: None)])
"""


@pytest.mark.parametrize(
    ("files", "gather", "message"),
    [
        (
            {"tables.py": _TABLES.format(table="raw_events")},
            lambda _: gather_migrations(),
            "events and extra both bring a table named 'raw_events'; rename one",
        ),
        (
            {"settings.py": _SETTINGS.format(alias="LEADPIPE_SIGNUP_EVENT")},
            lambda _: whole_settings.__wrapped__(),
            "events and extra both bring a setting named 'LEADPIPE_SIGNUP_EVENT'; rename one",
        ),
        (
            {"settings.py": _SETTINGS.format(alias="LEADPIPE_WEB_PORT")},
            lambda _: whole_settings.__wrapped__(),
            "web and extra both bring a setting named 'LEADPIPE_WEB_PORT'; rename one",
        ),
        (
            {"published.py": _PUBLISHED},
            lambda _: table_names(),
            "events and extra both bring a published table named 'runs'; rename one",
        ),
        (
            {"__init__.py": 'COMMANDS = {"sync": "Something else."}\n'},
            lambda _: _Group()._modules,
            (
                "leadpipe.events.commands and leadpipe.extra.commands both bring a command named 'sync'; "
                "rename one"
            ),
        ),
        (
            {"pages.py": _PAGES},
            lambda folder: create_app(whole_settings()(data_dir=folder)),
            "inbox and extra both bring a page named '/api/webhooks/posthog'; rename one",
        ),
        (
            {"tables.py": "TABLES = ()\n"},
            lambda _: gather_migrations(),
            (
                "leadpipe.extra.tables does not fit HasTables in leadpipe/domains.py: "
                "it has no MIGRATIONS, STATE"
            ),
        ),
        (
            {"tables.py": 'TABLES = ("mine",)\nSTATE = {"yours": ()}\nMIGRATIONS = ()\n'},
            lambda _: gather_state(),
            "leadpipe.extra.tables has 'yours' in STATE, but not in TABLES",
        ),
        (
            {"automation.py": "JOBS = ()\n"},
            lambda _: build_defs(),
            (
                "leadpipe.extra.automation does not fit HasAutomation in leadpipe/domains.py: "
                "it has no SCHEDULES, SENSORS"
            ),
        ),
        (
            {"rebuilding.py": "\n"},
            lambda _: list(parts(domains.HasRebuild)),
            "leadpipe.extra.rebuilding does not fit HasRebuild in leadpipe/domains.py: it has no rebuild",
        ),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_what_clashes_or_does_not_fit_is_named(bring, tmp_path, files, gather, message):
    """Two domains with one name, or a part that lacks something: an error at start that names both."""
    bring("extra", dict(files))
    with pytest.raises(DomainMisfit) as raised:
        gather(tmp_path)
    assert str(raised.value) == message


def test_a_listed_domain_without_a_folder_is_named(monkeypatch):
    """A line that is left behind says so."""
    monkeypatch.setattr(domains, "DOMAINS", ("gone",))
    with pytest.raises(DomainMisfit, match="lists 'gone', but there is no leadpipe/gone/"):
        list(parts(HasTables))


def test_one_owner_may_name_a_thing_twice():
    """A page with a route for GET and one for POST is one domain's."""
    assert owners([("a", "x"), ("a", "x"), ("b", "y")], "page") == {"x": "a", "y": "b"}


def loaded_by(*words: str) -> set[str]:
    """The modules that are loaded when a command has ended."""
    script = (
        "import sys, json\n"
        "from leadpipe.cli import main\n"
        "try: main(sys.argv[1:])\n"
        "except SystemExit: pass\n"
        "json.dump(sorted(sys.modules), open('modules.json', 'w'))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, *words], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return set(json.loads(Path("modules.json").read_text()))


def a_command_each() -> list[tuple[tuple[str, ...], str | None]]:
    """The help of all, a command that reads, and the help of a command of each domain, with whose it is."""
    first = {
        package.__name__.rpartition(".")[2]: next(iter(package.COMMANDS))
        for package in domains.packages()
        if hasattr(package, "COMMANDS")
    }
    helped = [((command, "--help"), domain) for domain, command in first.items()]
    return [(("--help",), None), (("days",), "events"), *helped]


def test_the_help_of_all_loads_next_to_nothing():
    """It is there at once: neither a database nor settings, tables or clients are needed to list commands."""
    heavy = {"duckdb", "pydantic", "httpx", "rich", "jinja2", "numpy", "asyncio", "sqlite3"}
    assert not loaded_by("--help") & heavy


@pytest.mark.parametrize(("words", "own"), a_command_each())
def test_a_command_loads_its_own_domain_only(words, own):
    """Nothing of Dagster, of pages, of pandas, and no part of another domain."""
    loaded = loaded_by(*words)
    heavy = {"dagster", "starlette", "pandas", "apprise", "posthog", "leadpipe.web.app"}
    assert not loaded & heavy
    used = {own, "events", "inbox"} if own else set()  # where events come in is everybody's to use
    others = tuple(f"leadpipe.{domain}." for domain in DOMAINS if domain not in used)
    # What a domain publishes is named by all of them together.
    allowed = tuple(
        f"leadpipe.{domain}.{part}" for domain in DOMAINS for part in ("published", "weeks")
    )
    assert [name for name in loaded if name.startswith(others) and name not in allowed] == []
