"""Text from outside, mended where it enters: halves of emoji, and numbers as people and programs write them.

Pure. Belongs here: what no domain may read in two ways. Does not belong here: what a text means.
"""

import re
import unicodedata

REPLACEMENT = "\ufffd"

# A backslash escapes what follows it, so of a run of them only an odd one begins \uXXXX.
_SURROGATE_ESCAPE = re.compile(
    rb"(?P<slashes>\\+)u"
    rb"(?:(?P<high>[dD][89abAB][0-9a-fA-F]{2})(?P<low>\\u[dD][c-fC-F][0-9a-fA-F]{2})?"
    rb"|(?P<lone>[dD][c-fC-F][0-9a-fA-F]{2}))"
)
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")
# Numbers that were a column of floats once: 8031234567.0, 8.031234567e+09.
_FLOAT_END = re.compile(r"[^.]*\d\.0{1,2}")
_EXPONENT = re.compile(r"\+?(\d)\.(\d+)[eE]\+?(\d{1,2})")


def may_have_half_emoji(data: bytes) -> bool:
    """Whether JSON may have an escaped half of a surrogate pair; costs next to nothing."""
    return b"\\ud" in data or b"\\uD" in data


def mended_json(data: bytes, mark: bytes = REPLACEMENT.encode()) -> bytes:
    r"""JSON in which each half of a surrogate pair without its other half (`\ud83d`) is U+FFFD.

    Whole pairs, and a backslash that is itself escaped (`\\ud83d`), stay as they are.

    Args:
        data: UTF-8.
        mark: how U+FFFD is written in it.
    """
    if not may_have_half_emoji(data):
        return data
    return _SURROGATE_ESCAPE.sub(lambda found: _mended(found, mark), data)


def _mended(found: re.Match[bytes], mark: bytes) -> bytes:
    slashes = found["slashes"]
    if len(slashes) % 2 == 0:  # no escape, but the text \ud83d; what follows is by itself then
        text = slashes + b"u" + (found["high"] or found["lone"])
        return text + mark if found["low"] else text
    if found["low"]:
        return found[0]
    return slashes[:-1] + mark


def whole(text: str) -> str:
    """The text, with U+FFFD for what could not be written as UTF-8."""
    return text if text.isascii() else _LONE_SURROGATE.sub(REPLACEMENT, text)


def whole_values(value: object) -> object:
    """A decoded JSON value, with every text in it `whole`."""
    if isinstance(value, str):
        return whole(value)
    if isinstance(value, dict):
        return {whole_values(name): whole_values(each) for name, each in value.items()}
    if isinstance(value, list):
        return [whole_values(each) for each in value]
    return value


def without_marks(text: str) -> str:
    """The text without what cannot be seen: zero-width and direction marks, BOMs, NULs; all blanks are ' '.

    What is left at its ends is no blank.
    """
    if text.isascii() and text.isprintable():
        return text.strip()
    kept = (" " if each.isspace() else each for each in text)
    return "".join(each for each in kept if unicodedata.category(each) not in {"Cf", "Cc"}).strip()


def phone_text(spelling: str) -> str | None:
    """What somebody typed as a phone number, before it became a float or got invisible marks.

    None where a float has lost digits (`8.03e+09`): any digits put in their place would be somebody
    else's number.
    """
    text = without_marks(spelling)
    if _FLOAT_END.fullmatch(text):
        return text[: text.index(".")]
    if exponent := _EXPONENT.fullmatch(text):
        first, decimals, power = exponent.groups()
        if len(decimals) > int(power) and not decimals[int(power) :].strip("0"):
            decimals = decimals[: int(power)]
        return f"{first}{decimals}" if len(decimals) == int(power) else None
    return text


def change_text(now: float, before: float) -> str:
    """How much more or less than before: `+12 %`, `±0 %` where that rounds to none; before is not 0."""
    percent = (now - before) * 100 / before
    return f"{percent:+.0f} %".replace("-", "−") if abs(percent) >= 0.5 else "±0 %"  # noqa: PLR2004 - rounds to none


def share_text(part: float) -> str:
    """A part of a whole in percent: `12 %` for 0.12."""
    return f"{part * 100:.0f} %"
