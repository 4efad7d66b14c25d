"""The domains, and the parts a domain may bring. Adding a domain is adding its folder and a line here.

A part is a module of the domain's folder, under the name below. A part that a domain does not have is a
file that is not there. The roots load a part when it is wanted: the command line loads the commands of
one domain, and neither Dagster nor a page.

| file            | what is in it                                            | who gathers it           |
|-----------------|----------------------------------------------------------|--------------------------|
| `__init__.py`   | what the domain is; COMMANDS: a line of help a command   | `leadpipe.cli`           |
| `settings.py`   | SECTION: its settings                                    | `leadpipe.settings`      |
| `tables.py`     | TABLES it owns, STATE of them, MIGRATIONS in order       | `leadpipe.warehouse`     |
| `assets.py`     | Dagster assets, and checks                               | `leadpipe.definitions`   |
| `checks.py`     | further asset checks                                     | `leadpipe.definitions`   |
| `automation.py` | JOBS, SCHEDULES, SENSORS                                 | `leadpipe.definitions`   |
| `needs.py`      | `left_out()`: what is not for every installation         | `leadpipe.definitions`   |
| `published.py`  | TABLES for readers, after which ASSETS, `published()`    | `leadpipe.published`     |
| `commands.py`   | COMMANDS                                                 | `leadpipe.cli`           |
| `pages.py`      | PAGES: routes, panels, syncs; templates in `templates/`  | `leadpipe.web`           |
| `today.py`      | `today()`: what it says of today, on the page and mornings | `leadpipe.today`       |
| `inspections.py` | INSPECTIONS: what holds of its tables, looked at by night | `leadpipe.inspecting` |
| `rebuilding.py` | `rebuild()`: its marts, again; `fold()` where it has STATE | `leadpipe.rebuild`       |
| `findings.py`   | `findings()`: what `leadpipe check` says of it           | `leadpipe.cli.check`     |
| `monitoring.py` | METRICS: names and help texts, `metrics()`: their values | `leadpipe.web.metrics`   |
| `trial.py`      | `load()` and `show()`: its part in `leadpipe demo`       | `leadpipe.cli.demo`      |
| `questions/`    | what a team asks of its tables: a SELECT a file          | `leadpipe.published`     |

A domain uses another's tables, never its functions; all may use `events` and `inbox`, where events come in.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from inspect import get_annotations
from types import ModuleType
from typing import TYPE_CHECKING, Protocol, TypeVar, runtime_checkable

from leadpipe.errors import DomainMisfit

if TYPE_CHECKING:
    from datetime import datetime

    import click
    import dagster as dg
    import duckdb
    from dagster._core.definitions.unresolved_asset_job_definition import (
        UnresolvedAssetJobDefinition,
    )

    from leadpipe.cli.findings import Finding
    from leadpipe.inspecting import Inspection
    from leadpipe.posthog import PostHog
    from leadpipe.settings import Settings
    from leadpipe.today.parts import Line, Look, Section
    from leadpipe.warehouse import Published
    from leadpipe.web.metrics import Sample, Scrape
    from leadpipe.web.parts import Pages

DOMAINS = (
    "events",
    "inbox",
    "visitors",
    "leads",
    "listings",
    "interactions",
    "delivery",
    "draws",
)
"""In the order in which their tables are made, their marts built and their panels shown."""


@runtime_checkable
class HasSettings(Protocol):
    """`settings.py`."""

    SECTION: "type[Settings]"


@dataclass(frozen=True)
class InState:
    """A migration of tables of `STATE` alone."""

    function: "Callable[[duckdb.DuckDBPyConnection], None]"


@dataclass(frozen=True)
class Split:
    """A migration of tables of both sides: each half is applied and recorded where its tables are."""

    lake: "Callable[[duckdb.DuckDBPyConnection], None]"
    state: "Callable[[duckdb.DuckDBPyConnection], None]"


@runtime_checkable
class HasTables(Protocol):
    """`tables.py`; each migration is applied once, with its record in one transaction, for good.

    `STATE` are those of the tables that people type into, or that say what is under way, each with the
    columns that name a row, none for a table where that is no matter. A shared lake has them in PostgreSQL,
    where the columns are a unique key. The others commit together with events. A migration that is a plain
    function is one of the others.
    """

    TABLES: Sequence[str]
    STATE: Mapping[str, Sequence[str]]
    MIGRATIONS: "Sequence[Callable[[duckdb.DuckDBPyConnection], None] | InState | Split]"


@runtime_checkable
class HasAutomation(Protocol):
    """`automation.py`."""

    JOBS: "Sequence[UnresolvedAssetJobDefinition]"
    SCHEDULES: "Sequence[dg.ScheduleDefinition]"
    SENSORS: "Sequence[dg.SensorDefinition]"


@runtime_checkable
class HasNeeds(Protocol):
    """`needs.py`: what cannot do anything on every installation, such as a comparison without a partner."""

    def left_out(self, settings: "Settings") -> Collection[str]:
        """Names of assets, jobs and schedules that Dagster does not show with these settings."""


@runtime_checkable
class HasPublished(Protocol):
    """`published.py`; `ASSETS` are those after which the tables have to be published anew."""

    TABLES: Sequence[str]
    ASSETS: Sequence[str]

    def published(
        self, connection: "duckdb.DuckDBPyConnection", *, now: "datetime"
    ) -> "Iterator[Published]":
        """The files to publish."""


@runtime_checkable
class HasCommands(Protocol):
    """`commands.py`."""

    COMMANDS: "Sequence[click.Command]"


@runtime_checkable
class HasPages(Protocol):
    """`pages.py`."""

    PAGES: "Pages"


@runtime_checkable
class HasRebuild(Protocol):
    """`rebuilding.py`; runs in the rebuild's transaction and gives rows built, by what they are."""

    def rebuild(
        self, connection: "duckdb.DuckDBPyConnection", settings: "Settings", *, is_rescored: bool
    ) -> Mapping[str, int]:
        """Build the domain's marts again; with `is_rescored` by the rules of today."""


@runtime_checkable
class Folds(Protocol):
    """`rebuilding.py` of a domain whose tables of `STATE` take part; before all rebuilds."""

    def fold(self, connection: "duckdb.DuckDBPyConnection", settings: "Settings") -> None:
        """Take in what the rebuild is to have in them; a transaction of its own where they are apart."""


@runtime_checkable
class HasInspections(Protocol):
    """`inspections.py`; each by a name that no other has."""

    INSPECTIONS: "Sequence[Inspection]"


@runtime_checkable
class HasFindings(Protocol):
    """`findings.py`."""

    def findings(
        self, settings: "Settings", posthog: "PostHog | None", *, now: "datetime"
    ) -> "Iterator[Finding]":
        """What is right and wrong with the domain's set-up; without a client if PostHog is of no use."""


@runtime_checkable
class HasMetrics(Protocol):
    """`monitoring.py`; names as Prometheus has them, those that end in `_total` only ever grow."""

    METRICS: Mapping[str, str]

    def metrics(self, scrape: "Scrape") -> "Iterator[Sample]":
        """Their values, of published tables and files beside the warehouse, in milliseconds."""


@runtime_checkable
class HasToday(Protocol):
    """`today.py`."""

    def today(self, look: "Look") -> "Iterator[Section | Line]":
        """What is new, what waits for somebody and what moves; from published tables, in milliseconds."""


@runtime_checkable
class HasTrial(Protocol):
    """`trial.py`."""

    def load(self, settings: "Settings", *, now: "datetime") -> list[str]:
        """Load what the demo shows; what went wrong, a line each."""

    def show(self, settings: "Settings") -> None:
        """Print what came out."""


PartT = TypeVar("PartT")
_PARTS: Mapping[type, str] = {
    HasSettings: "settings",
    HasTables: "tables",
    HasAutomation: "automation",
    HasNeeds: "needs",
    HasPublished: "published",
    HasCommands: "commands",
    HasPages: "pages",
    HasInspections: "inspections",
    HasRebuild: "rebuilding",
    HasFindings: "findings",
    HasMetrics: "monitoring",
    HasToday: "today",
    HasTrial: "trial",
}


def parts(kind: type[PartT]) -> Iterator[tuple[str, PartT]]:
    """The parts of a kind that the domains bring, each with its domain's name, in order.

    Raises:
        DomainMisfit: a part lacks something of its kind.
    """
    for domain in DOMAINS:
        if part := part_of(domain, kind):
            yield domain, part


def part_of(domain: str, kind: type[PartT]) -> PartT | None:
    """A domain's part of a kind, None if it brings none.

    Raises:
        DomainMisfit: the part lacks something of its kind.
    """
    module = _module_of(domain, _PARTS[kind])
    if module is None:
        return None
    if not isinstance(module, kind):
        wanted = {*get_annotations(kind), *(name for name in vars(kind) if name[0] != "_")}
        missing = sorted(name for name in wanted if not hasattr(module, name))
        raise DomainMisfit(
            f"{module.__name__} does not fit {kind.__name__} in leadpipe/domains.py: "
            f"it has no {', '.join(missing)}"
        )
    return module


def modules(name: str) -> list[ModuleType]:
    """The modules of a name (`assets`) that the domains have, in order."""
    return [module for domain in DOMAINS if (module := _module_of(domain, name))]


def packages() -> list[ModuleType]:
    """The domains' packages, in order; importing one imports none of its parts.

    Raises:
        DomainMisfit: a domain has no folder.
    """
    return [_package_of(domain) for domain in DOMAINS]


def _module_of(domain: str, name: str) -> ModuleType | None:
    path = f"{_package_of(domain).__name__}.{name}"
    return import_module(path) if find_spec(path) else None


def _package_of(domain: str) -> ModuleType:
    path = f"leadpipe.{domain}"
    if find_spec(path) is None:
        raise DomainMisfit(
            f"leadpipe/domains.py lists {domain!r}, but there is no leadpipe/{domain}/"
        )
    return import_module(path)


def owners(named: Iterable[tuple[str, str]], what: str) -> dict[str, str]:
    """Who brings each name, from pairs of domain and name.

    Raises:
        DomainMisfit: two bring the same.
    """
    found: dict[str, str] = {}
    for domain, name in named:
        if (other := found.setdefault(name, domain)) != domain:
            raise DomainMisfit(
                f"{other} and {domain} both bring a {what} named {name!r}; rename one"
            )
    return found
