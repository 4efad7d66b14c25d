"""What a mapping names that a project does not send: slips that no file shows by itself."""

from collections.abc import Collection, Iterator, Mapping

from leadpipe.events.mapping.mistakes import near
from leadpipe.events.mapping.model import EventMapping, Path, path_text


def unseen(mapping: EventMapping, seen: Mapping[str, Collection[Path]]) -> Iterator[str]:
    """A line for each event that never came, and for each property its rules name that it never had.

    Args:
        mapping: what is named.
        seen: the events that came, each with the paths of its properties, those within objects included.

    Built-in names that never came are none of a team's slips: leave them out where they are not used.
    """
    for event, rules in mapping.events.items():
        if not rules:
            continue
        if event not in seen:
            yield f"{event} never came{near(event, seen)}"
            continue
        there = {path_text(path) for path in seen[event]}
        for rule in rules:
            named = [
                (f"{column} reads", path)
                for column, source in rule.sources.items()
                for path in source.paths
            ]
            named += [("only_where asks for", path) for path in rule.where]
            for what, path in named:
                if (text := path_text(path)) not in there:
                    yield f"{event}: {what} {text}, which it never has{near(text, there)}"
