"""A CSV that the partner sent, often by way of a spreadsheet: what can be read of it, and what was lost.

Spreadsheets write semicolons, other encodings and marks at the begin, put apostrophes before numbers, lose
plus signs and zeros, and shorten long numbers to `1.20156E+10`. A shortened number is nobody's. Pure, but
for reading the file.
"""

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from leadpipe.delivery.fields import KEY_FIELD
from leadpipe.delivery.moments import span_of
from leadpipe.delivery.partner import PartnerLead
from leadpipe.errors import ConfigurationError
from leadpipe.text import phone_text, without_marks

_DELIMITERS = (",", ";", "\t", "|")
_NAMES: Mapping[str, Sequence[str]] = {
    "phone": ("phone", "phonenumber", "telephone", "tel", "mobile", "mobilephone", "cell", "cellphone"),
    "email": ("email", "emailaddress", "mail"),
    "full_name": ("fullname", "name", "contactname", "customername"),
    "zip_code": ("zipcode", "zip", "postalcode", "postcode"),
    "vehicle_make": ("vehiclemake", "make"),
    "vehicle_model": ("vehiclemodel", "model"),
    "vehicle_year": ("vehicleyear", "year"),
    "session_id": ("sessionid",),
    KEY_FIELD: ("externalid", "idempotencykey"),
    "id": ("npaleadid", "leadid", "id"),
    "made": ("createdat", "created", "createddate", "datecreated", "receivedat", "submittedat", "timestamp",
             "date", "datetime", "time"),
}  # fmt: skip
_WANTED = ("phone", "email", KEY_FIELD, "id")
_SHORTENED = re.compile(r"[+-]?[0-9]([.,][0-9]*)?[eE]\+?[0-9]{1,3}|#+")
_FORMULA = re.compile(r'=\s*"(.*)"')
_SIGNS = re.compile(r"[\W_]+")


@dataclass(frozen=True)
class PartnerFile:
    """The leads of a CSV, and what of it is of no use.

    Args:
        leads: a row each.
        shortened: rows whose number a spreadsheet has shortened.
        nameless: rows without anything to know a lead by, those among them.
        timeless: rows whose time cannot be read.
    """

    leads: list[PartnerLead] = field(repr=False)
    shortened: int = 0
    nameless: int = 0
    timeless: int = 0


def read_partner_csv(
    path: Path, *, fields: Mapping[str, str] | None = None, zone: str | None = None
) -> PartnerFile:
    """The leads of a CSV that the partner sent; its header has our field names, or usual ones.

    Args:
        path: of the file.
        fields: our field names and the partner's, which may be its header's.
        zone: of times that name none (IANA).

    Raises:
        ConfigurationError: no such file, no column to compare by, no rows, or nothing left to compare by.
    """
    rows = _rows(path)
    header = _places(next(rows, []), fields or {})
    if not set(header) & set(_WANTED):
        raise ConfigurationError(
            f"{path} has no column to compare by. Its header should have some of phone, email, npa_lead_id, "
            "external_id."
        )
    leads: list[PartnerLead] = []
    shortened = nameless = timeless = 0
    for row in rows:
        cells = {name: _cell(row, places) for name, places in header.items()}
        if not any(cells.values()):
            continue
        lost = [name for name in ("phone", "id") if _is_shortened(cells.get(name, ""))]
        cells |= dict.fromkeys(lost, "")
        lead = _lead(cells, zone)
        leads.append(lead)
        shortened += bool(lost)
        nameless += not any(cells.get(name) for name in _WANTED)
        timeless += bool(cells.get("made")) and lead.made is None
    if not leads:
        raise ConfigurationError(f"{path} has no leads below its header.")
    if nameless == len(leads):
        why = (
            "it went through a spreadsheet, which has shortened its numbers (1.20156E+10). Ask for the file "
            "as the partner made it, or for a column with its numbers as text"
            if shortened
            else "its columns to compare by are empty"
        )
        raise ConfigurationError(f"{path} cannot be compared: {why}.")
    return PartnerFile(leads, shortened, nameless, timeless)


def _rows(path: Path) -> Iterator[list[str]]:
    try:
        text = _decoded(path.read_bytes()).replace("\0", "")
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}") from None
    first, _, rest = text.partition("\n")
    delimiter = None
    if first.strip().lower().startswith("sep=") and len(first.strip()) == len("sep=,"):
        delimiter, text = first.strip()[-1], rest
        first = rest.partition("\n")[0]
    delimiter = delimiter or max(_DELIMITERS, key=first.count)
    try:
        yield from csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    except csv.Error as error:
        raise ConfigurationError(f"{path} cannot be read: {error}") from None


def _decoded(data: bytes) -> str:
    for mark, encoding in ((b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16")):
        if data.startswith(mark):
            return data.decode(encoding, "replace")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp1252", "replace")  # what spreadsheets call CSV on Windows


def _places(header: Sequence[str], fields: Mapping[str, str]) -> dict[str, list[int]]:
    """Our names and the columns they are in, in their order."""
    names = {plain: ours for ours, usual in _NAMES.items() for plain in usual}
    names |= {_plain(path): ours for ours, path in fields.items() if path and ours in _NAMES}
    places: dict[str, list[int]] = {}
    for index, title in enumerate(header):
        if (ours := names.get(_plain(title))) is not None:
            places.setdefault(ours, []).append(index)
    return places


def _plain(title: str) -> str:
    return _SIGNS.sub("", without_marks(title).casefold())


def _cell(row: Sequence[str], places: Sequence[int]) -> str:
    for index in places:
        text = without_marks(row[index]) if index < len(row) else ""
        if formula := _FORMULA.fullmatch(text):
            text = formula[1]
        if text := text.removeprefix("'").strip():
            return text
    return ""


def _is_shortened(text: str) -> bool:
    return bool(_SHORTENED.fullmatch(text)) and phone_text(text.replace(",", ".")) in {None, text}


def _lead(cells: Mapping[str, str], zone: str | None) -> PartnerLead:
    values = {
        name: text for name, text in cells.items() if text and name not in {"id", "made", KEY_FIELD}
    }
    if phone := values.get("phone"):
        values["phone"] = (
            phone_text(phone.replace(",", ".") if "e" in phone.lower() else phone) or phone
        )
    return PartnerLead(
        npa_lead_id=cells.get("id") or None,
        key=cells.get(KEY_FIELD) or None,
        made=span_of(cells["made"], zone) if cells.get("made") else None,
        values=values,
    )
