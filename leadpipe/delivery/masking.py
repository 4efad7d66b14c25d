"""Personal data, covered: what people and logs see unless somebody asks for the whole.

A partner's words repeat a value as it pleases: with accents or without, escaped for JSON, HTML or a URL, in
capitals, with blanks between digits. So both are compared by what is left when all that is taken away,
whatever the script.
"""

import html
import re
import unicodedata
from collections.abc import Iterator, Mapping
from urllib.parse import unquote

from leadpipe.delivery.reading import UnreadableJson, decoded

PERSONAL_FIELDS = ("full_name", "phone", "email", "zip_code")
_HARMLESS_FIELDS = ("vehicle_make", "vehicle_model", "vehicle_year")
_PHONE_ENDS = 4
_FEWEST_DIGITS = 6  # of a phone number, or a part of one, that is covered
_INSIDE_WORDS = 4  # a name of so many letters is covered inside of words, too
_LONGEST_TEXT = 20_000
_BETWEEN_NAMES = re.compile(r"[\s,.'\u2019\-]+")
_JSON_ESCAPE = re.compile(r"\\+u([0-9a-fA-F]{4})")
_PAIR = re.compile("[\ud800-\udbff][\udc00-\udfff]")
_EMAIL = re.compile(r"[^\s@\"'<>()\[\]{},;:=&?/\\]+@[^\s@\"'<>()\[\]{},;:=&?/\\]+\.[^\W\d_]{2,}")
_DIGIT_RUN = re.compile(r"\d(?:[\s().\-/\u2010-\u2015\u00a0]{0,3}\d)*")
_WITH_PLUS = re.compile(r"\+\s?\d(?:[\s().\-]{0,3}\d){6,14}")


def mask(field: str, value: object) -> str | None:
    """A value with enough left to tell two apart: `***4567`, `a***@example.org`, `J*** D***`."""
    if value is None or not str(value).strip():
        return None
    text = str(value).strip()
    if field == "phone":
        digits = _digits(text)
        return f"***{digits[-_PHONE_ENDS:]}" if len(digits) > _PHONE_ENDS + 2 else "***"
    if field == "email":
        name, at, domain = text.rpartition("@")
        return f"{name[:1] if len(name) > 1 else ''}***{at}{domain[:40]}" if at else "***"
    if field == "full_name":
        words = text.split()[:4]
        return " ".join(f"{word[0]}***" if len(text) > 1 else "***" for word in words)
    if field == "zip_code":
        return f"{text[:2]}***" if len(text) > 3 else "***"  # noqa: PLR2004
    return text


def masked(lead: Mapping[str, object]) -> dict[str, object]:
    """A lead's fields, the personal ones covered; what is not known to be harmless is left out."""
    return {
        field: mask(field, value) if field in PERSONAL_FIELDS else scrubbed(str(value)[:60], lead)
        for field, value in lead.items()
        if value is not None and (field in PERSONAL_FIELDS or field in _HARMLESS_FIELDS)
    }


def contact_data(lead_data: object, *, is_revealed: bool) -> dict[str, str]:
    """Name, phone, email and zip code of a lead as it is stored, covered unless they are revealed."""
    try:
        lead = decoded(str(lead_data)) if lead_data is not None else {}
    except UnreadableJson:
        lead = {}
    if not isinstance(lead, dict):
        return {}
    given = {field: lead[field] for field in PERSONAL_FIELDS if lead.get(field) is not None}
    shown = given if is_revealed else masked(given)
    return {field: str(value)[:200] for field, value in shown.items() if value is not None}


def scrubbed(text: str, lead: Mapping[str, object]) -> str:
    """A text without the lead's personal values: a partner's error often repeats what it was sent.

    Nor has it anybody else's address, or number with a plus sign. Escapes are written as what they mean.
    """
    text = _unescaped(text[:_LONGEST_TEXT])
    covered = [*_places(text, lead)]
    covered += [(*found.span(), "email") for found in _EMAIL.finditer(text)]
    covered += [(*found.span(), "phone") for found in _WITH_PLUS.finditer(text)]
    return _covered(text, covered)


def _places(text: str, lead: Mapping[str, object]) -> Iterator[tuple[int, int, str]]:
    """Where a text has a lead's values: begin, end, field."""
    folded = _Folded(text)
    for field in ("email", "full_name", "zip_code"):
        value = lead.get(field)
        if value is None or isinstance(value, dict | list | bool):
            continue
        whole = _fold(_unescaped(str(value))).strip()
        parts = {whole, *(_BETWEEN_NAMES.split(whole) if field == "full_name" else ())}
        if field == "email":
            parts.add(whole.partition("@")[0])
        for part in parts:
            if pattern := _pattern(part, field):
                yield from ((*folded.span(found), field) for found in pattern.finditer(folded.text))
    phone = lead.get("phone")
    ours = _digits(_fold(str(phone))) if isinstance(phone, str | int | float) else ""
    if len(ours) >= _FEWEST_DIGITS:
        for found in _DIGIT_RUN.finditer(folded.text):
            theirs = _digits(found[0])
            if len(theirs) >= _FEWEST_DIGITS and _share(ours, theirs):
                yield (*folded.span(found), "phone")


def _share(ours: str, theirs: str) -> bool:
    """Whether digits are the number, a part of it, or the number with something before or behind it."""
    end = ours[-7:]
    return theirs in ours or end in theirs or (len(ours) >= 7 and theirs[-7:] in ours)  # noqa: PLR2004


def _pattern(part: str, field: str) -> re.Pattern[str] | None:
    words = part.split()
    if not words or (len(part) == 1 and part.isascii()):
        return None
    # Names are joined, hyphenated and wrapped: any blank, or none, between their words.
    body = r"[\s,._+\-]*".join(re.escape(word) for word in words)
    is_latin = all("LATIN" in unicodedata.name(c, "") or not c.isalpha() for c in part)
    if (is_latin and len(part) < _INSIDE_WORDS) or field == "zip_code":
        body = rf"(?<!\w){body}(?!\w)"
    return re.compile(body)


def _covered(text: str, places: list[tuple[int, int, str]]) -> str:
    """The text with `[field]` in the places, those that overlap as one."""
    done: list[str] = []
    end = 0
    for begin, stop, field in sorted(places, key=lambda place: (place[0], -place[1])):
        if begin >= end:
            done += [text[end:begin], f"[{field}]"]
        end = max(end, stop)
    return "".join([*done, text[end:]])


class _Folded:
    """A text as it is compared, and where each of its characters came from."""

    def __init__(self, text: str) -> None:
        folded = [(each, index) for index, char in enumerate(text) for each in _fold(char)]
        self.text = "".join(each for each, _ in folded)
        self._origins = [index for _, index in folded]

    def span(self, found: re.Match[str]) -> tuple[int, int]:
        """Begin and end, in the text itself, of what was found."""
        return self._origins[found.start()], self._origins[found.end() - 1] + 1


def _fold(text: str) -> str:
    """Without case, accents, widths and marks nobody sees; digits of every script as 0 to 9."""
    kept = []
    for char in unicodedata.normalize("NFKD", text.casefold()):
        kind = unicodedata.category(char)
        if kind == "Nd":
            kept.append(str(unicodedata.digit(char)))
        elif kind not in {"Mn", "Me", "Cf"}:
            kept.append(char)
    return "".join(kept)


def _unescaped(text: str) -> str:
    r"""Escapes of JSON, HTML and URLs as what they mean, twice over: `%5Cu00eb`."""
    for _ in range(2):
        text = _JSON_ESCAPE.sub(lambda found: chr(int(found[1], 16)), text)
        if "%" in text:
            text = unquote(text, errors="replace")
        if "&" in text:
            text = html.unescape(text)
    whole = _PAIR.sub(lambda pair: pair[0].encode("utf-16", "surrogatepass").decode("utf-16"), text)
    return re.sub("[\ud800-\udfff]", "\ufffd", whole)


def _digits(text: str) -> str:
    return "".join(str(unicodedata.digit(c)) for c in text if c.isdecimal())
