"""`leadpipe events`: what a project sends, what leadpipe makes of it, and how to make more of it."""

import getpass
import tempfile
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import click

from leadpipe.cli.output import console, emit, format_options, notes
from leadpipe.connections import connect_posthog, open_warehouse
from leadpipe.errors import ConfigurationError, NotPublished
from leadpipe.events.connecting import event_mapping
from leadpipe.events.mapping import versions
from leadpipe.events.mapping.mistakes import near
from leadpipe.events.mapping.model import KEPT, NOTHING, EventMapping
from leadpipe.events.mapping.reading import built_in
from leadpipe.events.project import unused
from leadpipe.events.project.advice import Suggestion
from leadpipe.events.project.apart import could_mean_something, to_take_apart, unmapped
from leadpipe.events.project.asking import (
    DAYS,
    MOST_LOOKED_INTO,
    ask_names,
    look_into,
    take_apart,
)
from leadpipe.events.project.paths import paths_of
from leadpipe.events.project.profile import MOST_PROPERTIES, Profile, Sample
from leadpipe.events.project.suggesting import suggest
from leadpipe.events.project.trying import Outcome, own_events, slips, try_mappings
from leadpipe.events.project.written import read_back, toml_text
from leadpipe.events.settings import EventsSettings
from leadpipe.published import reading
from leadpipe.published.tables import publish_tables
from leadpipe.settings import Settings, load_settings
from leadpipe.text import share_text
from leadpipe.warehouse import Rows, transaction

_PATIENCE_SECONDS = 60.0
_MOST_NAMED = 4
_MOST_EXAMPLES = 5
_MOST_LEFT_OUT = 20
_LOCK_SECONDS = 2.0
_DAYS_OPTION = click.option(
    "--days", default=DAYS, show_default=True, type=click.IntRange(1, 365), help="Days to look at."
)


@click.group(invoke_without_command=True)
@_DAYS_OPTION
@click.option(
    "--limit", default=30, show_default=True, type=click.IntRange(1, 10_000), help="Rows."
)
@format_options
@click.pass_context
def events(context: click.Context, /, *, days: int, limit: int, output: str | None) -> None:
    """Which events your project sends, how often, and what leadpipe makes of each.

    The most frequent first, with the properties that most of them carry, from a sample of each.

    \b
    Examples:
      leadpipe events
      leadpipe events --days 7 --limit 200 --csv
    """
    if context.invoked_subcommand is not None:
        return
    settings = load_settings(EventsSettings)
    mapping = event_mapping(settings)
    profile = _look(settings, days, lambda seen: [one.name for one in seen.events[:limit]])
    dismissed = _dismissed(settings)
    rows = tuple(
        (
            one.name,
            one.events,
            one.first_at.date(),
            one.last_at.date(),
            _meaning(one.name, mapping, dismissed),
            _named(profile.sample(one.name)),
        )
        for one in profile.events[:limit]
    )
    emit(
        Rows(("event", "events", "first_day", "last_day", "means", "properties"), rows),
        output,
        title=f"Events of the last {profile.period}",
        drop=("first_day", "last_day", "properties"),
        empty=f"No event in the last {profile.period}.",
    )
    if more := len(profile.events) - len(rows):
        notes.print(f"{more:,} more event names; --limit shows more of them.")
    if any(one.name not in mapping.events for one in profile.events if not one.is_posthogs_own):
        notes.print("`leadpipe events suggest` makes a mapping of those that mean nothing yet.")


@events.command("show")
@click.argument("name")
@_DAYS_OPTION
@format_options
def show(*, name: str, days: int, output: str | None) -> None:
    """The properties of one event: in how many events they are, how many values they have, examples.

    Of values that could be personal, and of all that are not few, only the form is shown: `aa-9999`.

    \b
    Example:
      leadpipe events show listing_viewed
    """
    settings = load_settings(EventsSettings)
    profile = _look(settings, days, lambda _: [name])
    if name not in {one.name for one in profile.events}:
        raise ConfigurationError(_never_came(name, profile))
    sample = profile.sample(name)
    rows = tuple(
        (
            one.text,
            share_text(sample.fill(one)),
            one.different,
            ", ".join(one.examples(_MOST_EXAMPLES)),
        )
        for one in sample.properties
    )
    emit(
        Rows(("property", "filled", "values", "examples"), rows),
        output,
        title=f"{name}: {_meaning(name, event_mapping(settings), ())}, {sample.events:,} events looked at",
        empty=f"{name} has no properties but PostHog's own.",
        drop=("examples", "values"),
    )
    if len(rows) >= MOST_PROPERTIES:
        notes.print(f"It has more; the {MOST_PROPERTIES} that are filled most are shown.")


@events.command("suggest")
@_DAYS_OPTION
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), help="Write this file.")
@click.option("--print", "is_printed", is_flag=True, help="Print it, write nothing.")
def suggest_mapping(*, days: int, output: Path | None, is_printed: bool) -> None:
    """Make a mapping of what your project sends, and write it to events.toml, each line with its reason.

    A file that is there is never overwritten: what would be added to it is printed.

    \b
    Examples:
      leadpipe events suggest
      leadpipe events suggest --print
    """
    settings = load_settings(EventsSettings)
    path = output or settings.events_path
    mapping = _mapping_to_extend(settings)
    profile = _look_apart(settings, days, mapping)
    advice = suggest(profile, mapping)
    if not advice.suggestions:
        notes.print(
            f"Nothing to suggest: of {profile.names_text} of the last {profile.period} those are mapped that "
            "mean something to leadpipe's tables."
        )
        for event, why in advice.left_out[:_MOST_LEFT_OUT]:
            notes.print(f"{event.shown}: {why}.", markup=False)
        if len(advice.left_out) > _MOST_LEFT_OUT:
            notes.print(f"And {len(advice.left_out) - _MOST_LEFT_OUT:,} more.")
        return
    text = toml_text(advice, profile)
    read_back(text)
    if is_printed:
        click.echo(text, nl=False)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        click.echo(text, nl=False)
        notes.print(
            f"{path} is there and is not overwritten. Copy what you want of this into it, or write it "
            "elsewhere with --output.",
            markup=False,
        )
        return
    console.print(f"Wrote {path}:", markup=False)
    for one in advice.suggestions:
        console.print(f"  {one.event.name}{_filter(one)}: {one.meaning}", markup=False)
    if advice.left_out:
        count = len({event.name for event, _ in advice.left_out})
        console.print(f"Not mapped, for you to decide: {count:,} more; the file's end says why.")
    console.print("Read it, then see what would come out: `leadpipe events try`.")


@events.command("try")
@click.option(
    "--days", default=7, show_default=True, type=click.IntRange(1, 92), help="Days to read."
)
@format_options
def try_mapping(*, days: int, output: str | None) -> None:
    """What the last days would give under your mapping, beside the one in use; nothing is written.

    Reads the events of these days from PostHog into a temporary folder, which is removed.

    \b
    Examples:
      leadpipe events try
      leadpipe events try --days 1
    """
    settings = load_settings()
    own = settings.of(EventsSettings)
    mapping = event_mapping(own)
    in_use = _in_use(settings)
    mappings = [mapping] if mapping.version == in_use.version else [mapping, in_use]
    now = datetime.now(UTC)
    with (
        connect_posthog(settings) as posthog,
        tempfile.TemporaryDirectory(prefix="leadpipe-try-") as folder,
    ):
        profile = ask_names(posthog, now=now, days=max(days, DAYS))
        paths = paths_of(posthog, profile, list(own_events(mapping)))
        outcomes = try_mappings(
            posthog, mappings, settings=settings, folder=Path(folder), days=days, now=now
        )
    columns = ("what", "with_your_file", "as_it_is_now") if len(mappings) > 1 else ("what", "now")
    rows = tuple(_compared(outcomes))
    emit(Rows(columns, rows), output, title=f"The last {_days(days)}; nothing was written")
    for slip in slips(mapping, profile, paths):
        notes.print(f"! {slip}", markup=False)
    if len(mappings) == 1:
        notes.print("The mapping in use is the same as yours.")
    elif output is None:
        notes.print(
            "`leadpipe sync --dry-run` says what taking it up costs, `leadpipe sync` does it."
        )


@events.command("dismiss")
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@click.option("--undo", is_flag=True, help="Tell of them again.")
@click.option("--author", default=getpass.getuser, help="Who decides. Default: the user name.")
def dismiss(*, names: tuple[str, ...], undo: bool, author: str) -> None:
    """Tell no more that no table uses these events: in check, after a sync and on the page.

    \b
    Examples:
      leadpipe events dismiss search_performed
      leadpipe events dismiss search_performed --undo
    """
    settings = load_settings()
    with open_warehouse(settings).connect() as connection:
        known = list(unused.known_names(connection))
        for name in names:
            if name not in known:
                raise ConfigurationError(
                    f"No event named {name!r} was seen by a sync, which looks once a day; `leadpipe events` "
                    f"shows what comes{near(name, known)}"
                )
        with transaction(connection, "door"):
            if undo:
                unused.undo_dismissal(connection, names)
            else:
                unused.dismiss(connection, names, author=author, now=datetime.now(UTC))
        publish_tables(connection, settings.published_dir)
    console.print(f"{'Told of again' if undo else 'Dismissed'}: {', '.join(names)}", markup=False)


def _filter(one: Suggestion) -> str:
    """For which values it is so, in words."""
    [said] = [line.value for line in one.lines if line.key == "only_where"] or [{}]
    filters = said.items() if isinstance(said, dict) else ()
    return "".join(
        f" where {path} is {' or '.join(map(str, values))}"
        for path, values in filters
        if isinstance(values, list)
    )


def _look(
    settings: EventsSettings, days: int, chosen: Callable[[Profile], Sequence[str]]
) -> Profile:
    """The names of the last days, and the properties of those that are chosen of them."""
    with connect_posthog(settings, deadline_seconds=_PATIENCE_SECONDS) as posthog:
        profile = ask_names(posthog, now=datetime.now(UTC), days=days)
        return look_into(posthog, profile, chosen(profile))


def _look_apart(settings: EventsSettings, days: int, mapping: EventMapping) -> Profile:
    """The same, of what is not mapped, and apart by the values that could say what an event means."""
    with connect_posthog(settings, deadline_seconds=_PATIENCE_SECONDS) as posthog:
        profile = ask_names(posthog, now=datetime.now(UTC), days=days)
        profile = look_into(posthog, profile, _worth_looking(profile, mapping))
        return take_apart(posthog, profile, to_take_apart(profile, mapping))


def _worth_looking(profile: Profile, mapping: EventMapping) -> list[str]:
    """The names to look into: those whose names tell something, then those already mapped, then others."""
    free = [one.name for one in unmapped(profile, mapping)]
    mapped = [one.name for one in profile.events if mapping.events.get(one.name)]
    telling = [name for name in free if could_mean_something(name)]
    some = len(mapped) and MOST_LOOKED_INTO // 10
    return list(dict.fromkeys([*telling[: MOST_LOOKED_INTO - some], *mapped[:some], *free]))


def _mapping_to_extend(settings: EventsSettings) -> EventMapping:
    """The mapping that suggestions add to; the built-in one where the named file is still to be written."""
    if settings.events_file is not None and not settings.events_file.exists():
        return event_mapping(settings.model_copy(update={"events_file": None}))
    return event_mapping(settings)


def _in_use(settings: Settings) -> EventMapping:
    """The mapping that the warehouse types by; the built-in one where there is no warehouse yet."""
    warehouse = replace(open_warehouse(settings), lock_timeout_seconds=_LOCK_SECONDS)
    if not warehouse.is_there:
        return built_in()
    with warehouse.connect() as connection:
        return versions.current(connection) or built_in()


def _dismissed(settings: EventsSettings) -> Sequence[str]:
    try:
        rows = reading.query(
            settings.published_dir, "SELECT event FROM unused_events WHERE is_dismissed"
        ).rows
    except NotPublished:
        return ()
    return [str(event) for (event,) in rows]


def _meaning(name: str, mapping: EventMapping, dismissed: Sequence[str]) -> str:
    """What leadpipe makes of an event, in a word or two."""
    rules = mapping.events.get(name)
    if rules is None:
        if name.startswith("$"):
            return f"{NOTHING} (PostHog's own)"
        return f"{NOTHING} (dismissed)" if name in dismissed else NOTHING
    meanings = dict.fromkeys(rule.meaning or KEPT for rule in rules)
    if mapping.signup_event == name:
        meanings["signup"] = None
    return ", ".join(meanings) or f"{NOTHING} (left out)"


def _named(sample: Sample) -> str:
    """The most frequent properties, with the share of events that have them."""
    named = [
        f"{one.text} {share_text(sample.fill(one))}" for one in sample.properties[:_MOST_NAMED]
    ]
    more = len(sample.properties) - len(named)
    return ", ".join([*named, f"{more} more"] if more else named)


def _compared(outcomes: Sequence[Outcome]) -> Iterator[tuple[object, ...]]:
    yield ("events read", *(one.events for one in outcomes))
    for what in _keys(one.rows for one in outcomes):
        yield (what, *(one.rows.get(what, 0) for one in outcomes))
    for meaning in _keys(one.meanings for one in outcomes):
        yield (f"events: {meaning}", *(one.meanings.get(meaning, 0) for one in outcomes))
    for event, reason in _keys(one.rejected for one in outcomes):
        counts = (one.rejected.get((event, reason), 0) for one in outcomes)
        said = reason if event in reason else f"{event}, {reason}"
        yield (f"rejected: {said}", *counts)


_Key = TypeVar("_Key", bound=Hashable)


def _keys(found: Iterable[Iterable[_Key]]) -> list[_Key]:
    return list(dict.fromkeys(key for one in found for key in one))


def _never_came(name: str, profile: Profile) -> str:
    names = [one.name for one in profile.events]
    return (
        f"No event named {name!r} came in the last {profile.period}; `leadpipe events` lists those that "
        f"did{near(name, names)}"
    )


def _days(days: int) -> str:
    return f"{days} day{'' if days == 1 else 's'}"
