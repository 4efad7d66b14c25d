"""What may reach a person's terminal: text from outside could move its cursor or turn words around."""

import codecs
import io
import os
import re
import sys

# C0 but tabs and line breaks, C1, and what changes the direction of the text that follows.
_UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")

_SPELL = "leadpipe.spell"
_OTHER_SIGNS = {
    "✓": "ok",
    "✗": "x",
    "→": "->",
    "←": "<-",
    "…": "...",
    "·": "-",
    "•": "*",
    "–": "-",
    "—": "-",
    "−": "-",
    "×": "x",
    "≤": "<=",
    "≥": ">=",
    "‘": "'",
    "’": "'",
    "“": '"',
    "”": '"',
    "\u00a0": " ",
    "\u202f": " ",
    "₦": "NGN ",
    "€": "EUR ",
    "£": "GBP ",
}


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
    """The text as a stream can show it: `visible`, and spelled where its encoding lacks a sign."""
    return spelled(visible(text), str(getattr(stream, "encoding", None) or "utf-8"))


def spelled(text: str, encoding: str) -> str:
    """The text with what an encoding lacks in other signs: `ok` for ✓, `->` for an arrow, else `?`."""
    return text if text.isascii() else text.encode(encoding, _SPELL).decode(encoding)


def is_unicode(stream: object) -> bool:
    """Whether a stream takes every character."""
    return str(getattr(stream, "encoding", None) or "utf-8").lower().startswith("utf")


def forgive_encodings() -> None:
    """Let a terminal that lacks a sign get one that it has, instead of ending the command.

    One whose locale is C or POSIX has ASCII alone, whatever Python makes of it.
    """
    for stream in (sys.stdout, sys.stderr):
        if not isinstance(stream, io.TextIOWrapper):
            continue
        if stream.isatty() and is_unicode(stream) and _is_plain():
            stream.reconfigure(encoding="ascii", errors=_SPELL)
        elif stream.errors in {"strict", "surrogateescape"} or stream is sys.stderr:
            stream.reconfigure(errors=_SPELL)


def _is_plain() -> bool:
    """Whether somebody asked for a terminal without letters beyond ASCII, and for nothing else."""
    said = {
        name: os.environ.get(name, "")
        for name in ("LC_ALL", "LC_CTYPE", "LANG", "PYTHONUTF8", "PYTHONIOENCODING")
    }
    if said["PYTHONUTF8"] or said["PYTHONIOENCODING"]:
        return False
    # Where the locale is C, Python itself puts C.UTF-8 into LC_CTYPE.
    ctype = said["LC_CTYPE"] if said["LC_CTYPE"] != "C.UTF-8" else ""
    return (said["LC_ALL"] or ctype or said["LANG"]) in {"C", "POSIX"}


def _in_other_signs(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lacking = error.object[error.start : error.end]
    text = "".join(_OTHER_SIGNS.get(sign, "?") for sign in lacking)
    return text, error.end


codecs.register_error(_SPELL, _in_other_signs)
