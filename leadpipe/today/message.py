"""Today as a text: for a morning message and a terminal. Pure; nobody's name is in it."""

from zoneinfo import ZoneInfo

from leadpipe.today.parts import Today
from leadpipe.zones import clock_text


def day_text(today: Today) -> str:
    """The day where the team is: `Saturday, 28 November 2026`."""
    local = today.now.astimezone(ZoneInfo(today.zone))
    return f"{local:%A}, {local.day} {local:%B %Y}"


def subject_of(today: Today) -> str:
    """The subject of the message, the title in chats."""
    return f"leadpipe: {day_text(today)}"


def paragraphs(today: Today) -> list[str]:
    """What is said, a line each; none where nothing can be said."""
    said = [line.text for line in today.lines if line.is_urgent]
    for section in today.sections:
        if sentence := section.sentence:
            known = (
                f" (as of {clock_text(section.as_of, today.now, today.zone)})"
                if section.as_of
                else ""
            )
            said.append(f"{section.title}: {sentence}{known}")
    return said + [line.text for line in today.lines if line.is_told and not line.is_urgent]


def message_of(today: Today, *, address: str | None = None) -> str | None:
    """The morning message; None where nothing can be said.

    Args:
        today: what is said.
        address: of the page, where people can reach it.
    """
    said = paragraphs(today)
    if not said:
        return None
    return "\n".join([*(f"• {each}" for each in said), *([address] if address else [])])
