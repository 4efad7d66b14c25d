"""What may reach a person's terminal: text from outside could move its cursor or turn words around."""

import io
import re
import sys

# C0 but tabs and line breaks, C1, and what changes the direction of the text that follows.
_UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")


def visible(text: str) -> str:
    r"""The text with control and direction characters written out: `\x1b`, `\u202e`."""
    if text.isascii() and text.isprintable():
        return text
    return _UNSEEN.sub(lambda found: escaped(found[0]), text)


def escaped(character: str) -> str:
    r"""A character as `\x1b` or `\u202e`."""
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"  # noqa: PLR2004 - a byte


def unseen_as_json(text: str) -> str:
    r"""JSON with control and direction characters as `\u202e`: the same values, and safe to look at."""
    return _UNSEEN.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def said_to(stream: object, text: str) -> str:
    """The text as a stream can show it: `visible`, and `?` for what its encoding lacks."""
    encoding = str(getattr(stream, "encoding", None) or "utf-8")
    return visible(text).encode(encoding, "replace").decode(encoding)


def is_unicode(stream: object) -> bool:
    """Whether a stream takes every character."""
    return str(getattr(stream, "encoding", None) or "utf-8").lower().startswith("utf")


def forgive_encodings() -> None:
    """Let a terminal that lacks a character show `?`, instead of ending the command."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and stream.errors in {"strict", "surrogateescape"}:
            stream.reconfigure(errors="replace")
