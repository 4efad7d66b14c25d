"""The blacklist as a CSV file: what is exported comes in again as it was, whatever is in its reasons.

What a block means, and whether it may be added, is `blacklist.py`'s business.
"""

import csv
import io
from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path

import duckdb

from leadpipe.draws.blacklist import Block, read_msisdn
from leadpipe.errors import ConfigurationError

_COLUMNS = ("msisdn", "blocked_from", "blocked_until", "reason", "author", "edited_at")
_DELIMITERS = (",", ";", "\t")


def blacklist_csv(connection: duckdb.DuckDBPyConnection) -> str:
    """All blocks as CSV, with MSISDNs in full and every reason as it was typed; the latest first."""
    rows = connection.execute(
        f"SELECT {', '.join(_COLUMNS)} FROM blacklist ORDER BY blocked_from DESC, msisdn"
    ).fetchall()
    text = io.StringIO()
    # Quoted wherever a text is, so that no reader takes a blank or a line's end for its own.
    writer = csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC)
    writer.writerow(_COLUMNS)
    for row in rows:
        writer.writerow(_written(value) for value in row)
    return text.getvalue()


def _written(value: object) -> str:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    return value.isoformat() if isinstance(value, date) else str(value or "")


def read_blocks(path: Path, *, region: str, default_from: date) -> list[Block]:
    """Blocks of a CSV file: a column msisdn and, where wanted, the others that an export has.

    Columns may be separated by commas, semicolons or tabs.

    Raises:
        ConfigurationError: a line cannot be read; it names the line, not the number.
    """
    try:
        # newline="" keeps the line ends inside a reason.
        with path.open(encoding="utf-8-sig", newline="") as lines:
            first = lines.readline()
            lines.seek(0)
            reader = csv.reader(lines, delimiter=_delimiter_of(first), strict=True)
            columns = _columns_of(path, next(reader, []))
            blocks = []
            for row in reader:
                where = f"{path}, line {reader.line_num}"
                if row:
                    blocks.append(
                        _read_block(_named(columns, row, where), where, region, default_from)
                    )
            return blocks
    except FileNotFoundError:
        raise ConfigurationError(f"There is no file {path}") from None
    except (OSError, UnicodeError, csv.Error) as error:
        raise ConfigurationError(f"{path} is no CSV file in UTF-8") from error


def _delimiter_of(first_line: str) -> str:
    return max(_DELIMITERS, key=first_line.count)


def _columns_of(path: Path, found: Sequence[str]) -> tuple[str, ...]:
    columns = tuple(name.strip().lower() for name in found)
    if set(columns) - set(_COLUMNS) or "msisdn" not in columns or len({*columns}) < len(columns):
        raise ConfigurationError(
            f"{path}: the first line must name the columns {', '.join(_COLUMNS)}; all but msisdn may be "
            "left out"
        )
    return columns


def _named(columns: tuple[str, ...], row: list[str], where: str) -> dict[str, str]:
    if len(row) > len(columns):
        raise ConfigurationError(
            f"{where}: {len(row)} values for {len(columns)} columns; put a text that has the separator in "
            'it between quotes: "..."'
        )
    return dict(zip(columns, row, strict=False))


def _read_block(row: dict[str, str], where: str, region: str, default_from: date) -> Block:
    spelling = row["msisdn"]
    if "*" in spelling:
        raise ConfigurationError(
            f"{where}: the MSISDN is masked; write the file with leadpipe draws blacklist export"
        )
    try:
        begin, until, edited_at = (
            row.get(name, "").strip() for name in ("blocked_from", "blocked_until", "edited_at")
        )
        return Block(
            read_msisdn(spelling, region=region),
            date.fromisoformat(begin) if begin else default_from,
            date.fromisoformat(until) if until else None,
            row.get("reason", ""),
            row.get("author", ""),
            _moment(edited_at) if edited_at else None,
        )
    except ConfigurationError as error:
        raise ConfigurationError(f"{where}: {error}") from None
    except ValueError:
        raise ConfigurationError(f"{where}: a date is not written 2026-11-20") from None


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
