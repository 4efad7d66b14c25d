"""What a suggestion is: an event, what it could mean, and lines that say where its columns get values."""

from dataclasses import dataclass

from leadpipe.events.mapping.model import Constant, Meaning
from leadpipe.events.project.profile import SeenEvent

Said = Constant | list[str] | dict[str, object]


@dataclass(frozen=True)
class Line:
    """A line of an event's table: the key, what is said of it, and why."""

    key: str
    value: Said
    reason: str


@dataclass(frozen=True)
class Suggestion:
    """What an event could mean, and why; `lines` say where its columns get their values."""

    event: SeenEvent
    meaning: Meaning
    reason: str
    lines: tuple[Line, ...] = ()


@dataclass(frozen=True)
class Advice:
    """What could be mapped, and what looks as if it could but lacks something, each with why it is not."""

    suggestions: tuple[Suggestion, ...] = ()
    left_out: tuple[tuple[SeenEvent, str], ...] = ()
