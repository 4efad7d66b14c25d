"""Leads, answers, notices, lists and files as nobody should send them, drawn by chance.

Belongs here: what they look like. Does not belong here: what has to become of them (`proof.py`).
"""

import json
import random
from typing import Any

_TEXTS = (
    "Ann Example",
    "Zoë Müller",
    "李雷",
    "عمر",
    "a\ud83d",
    "\udc00",
    "\0",
    "A\0B",
    "\u202e+1 201 555 0123",
    "=cmd|' /C calc'!A0",
    "'; DROP TABLE leads; --",
    "%00%ff",
    "\\ud83d",
    "\x1b[2J",
    "1.20156E+10",
    "NaN",
    "",
    " ",
    "\ufeff",
    "x" * 5_000,
    "٢٠١٥٥٥٠١٢٣",
    "𠮷",
)
_RAW = (
    "NaN", "Infinity", "-Infinity", "1e999", "-0.0", "7" * 5_000, "[" * 1_200 + "]" * 1_200, '"\\ud83d"',
    '"\\u0000"', '{"a":' * 60 + "1" + "}" * 60, "1.0", "10001.0", "9223372036854775808",
)  # fmt: skip
_WORDS = ("success", "status", "result", "error", "errors", "accepted", "code", "message", "id", "lead",
          "data", "lead_id", "ok", "reason", "response", "external_id", "state", "detail")  # fmt: skip
_SAID = (
    True,
    False,
    None,
    0,
    1,
    200,
    400,
    "true",
    "false",
    "ok",
    "rejected",
    "error",
    "queued",
    "declined",
    "0",
)
_PAGING = ("next", "next_cursor", "cursor", "has_more", "total", "page", "pages", "per_page", "offset",
           "limit", "meta",
           "links", "_links", "pagination", "count", "nextPageToken", "total_pages", "remaining",
           "truncated", "next_url", "last")  # fmt: skip
_TIMES = (
    "2026-11-21T10:00:00Z",
    "2026-11-21",
    "soon",
    1_795_262_400,
    "9" * 300,
    None,
    "27.11.2026 10:00",
    -1,
)
_STATUSES = ("submitted", "contacted", "sold", "rejected", "won", "SOLD", "", None, 5, ["sold"])


class Chance:
    """Draws; the same seed draws the same."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def one(self, values: Any) -> Any:
        """One of several."""
        return self.random.choice(values)

    def is_so(self, rate: float) -> bool:
        """True at a rate."""
        return self.random.random() < rate

    def value(self, depth: int = 0) -> Any:
        """A JSON value of any kind."""
        kind = self.random.randrange(8 if depth < 3 else 6)
        if kind < 3:
            return self.one(_TEXTS)
        if kind == 3:
            return self.one((None, True, False))
        if kind == 4:
            return self.random.choice((0, -1, 10**17, 10**25, 1.5, float("inf"), float("nan")))
        if kind == 5:
            return f"+1201555{self.random.randrange(10_000):04d}"
        if kind == 6:
            return [self.value(depth + 1) for _ in range(self.random.randrange(3))]
        return {
            str(self.one(_TEXTS)): self.value(depth + 1) for _ in range(self.random.randrange(3))
        }

    def lead(self, number: int) -> str:
        """The JSON text of a lead, often one that can be delivered."""
        content: dict[str, Any] = {
            "channel": "sms" if self.is_so(0.9) else self.value(),
            "session_id": number if self.is_so(0.9) else self.value(),
            "full_name": self.one(_TEXTS),
            "phone": f"+1201555{self.random.randrange(10_000):04d}",
        }
        names = ("phone", "email", "zip_code", "vehicle_year", "country", "note")
        for name in (*names, str(self.one(_TEXTS))):
            if self.is_so(0.15):
                content[name] = self.value()
        return self.spoiled(json.dumps(content), rate=0.3)

    def spoiled(self, text: str, rate: float) -> str:
        """JSON text, at a rate with a raw value in it, cut or torn."""
        if not self.is_so(rate):
            return text
        if self.is_so(0.7):
            return text.replace('"full_name": ', f'"x": {self.one(_RAW)}, "full_name": ', 1)
        at = self.random.randrange(len(text) + 1)
        torn = str(self.one(("", "\\", '"', "{", "\0", "\ud83d")))
        return f"{text[:at]}{torn}{text[at + 1 :]}"

    def encoded(self, text: str) -> bytes:
        """A body of it, in UTF-8 or what else programs send."""
        encoding = self.one(("utf-8",) * 6 + ("utf-16", "utf-8-sig", "latin-1"))
        data = text.encode(encoding, "replace" if encoding == "latin-1" else "surrogatepass")
        return data + b"\xff" if self.is_so(0.02) else data

    def said(self, depth: int = 0) -> Any:
        """What a partner says: words it may mean something by, and others."""
        content: dict[str, Any] = {}
        for _ in range(self.random.randrange(4)):
            word = self.one(_WORDS)
            content[word] = self.one(_SAID) if self.is_so(0.7) else self.value()
            if depth < 2 and self.is_so(0.15):
                content[word] = self.said(depth + 1)
        return content

    def answer(self) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body of an answer to a lead; none that rightly stops all sending."""
        status = self.one((200,) * 5 + (201, 202, 204, 400, 409, 418, 422, 429, 499, 500, 503))
        content = self.said() if self.is_so(0.8) else self.value()
        headers = {"content-type": self.one(("application/json", "text/html", "x" * 100))}
        if self.is_so(0.1):
            headers["retry-after"] = self.one(("5", "-1", "soon", "9" * 30))
        return status, headers, self.encoded(self.spoiled(json.dumps(content), rate=0.1))

    def list_(self, phone: str) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body of an answer to a question about leads."""
        items: list[Any] = [
            {
                "id": self.one((f"npa-{self.random.randrange(9_999)}", None, "\0", 5)),
                "phone": phone if self.is_so(0.5) else self.value(),
                "created_at": self.one(_TIMES),
                "external_id": self.value() if self.is_so(0.1) else None,
            }
            for _ in range(self.random.randrange(4))
        ]
        if self.is_so(0.05):
            items.append(self.value())
        content: Any = {self.one(("leads",) * 8 + ("items", "data", "x")): items}
        for _ in range(self.one((0, 0, 0, 0, 1, 2))):
            content[self.one(_PAGING)] = self.value() if self.is_so(0.5) else self.one(_SAID)
        if self.is_so(0.1):
            content = items
        headers = {"link": '</leads?x=1>; rel="next"'} if self.is_so(0.02) else {}
        status = self.one((200,) * 12 + (206, 400, 404, 500))
        return status, headers, self.encoded(self.spoiled(json.dumps(content), rate=0.05))

    def notice(self) -> bytes:
        """The body of a notice."""
        content: dict[str, Any] = {
            self.one(
                ("lead_id", "id", "external_id", "leadId")
            ): f"npa-{self.random.randrange(500)}",
            "status": self.one(_STATUSES),
            "occurred_at": self.one(_TIMES),
        }
        if self.is_so(0.3):
            content[self.one(("id", "event_id", "lead", "data", str(self.one(_TEXTS))))] = (
                self.value()
            )
        if self.is_so(0.2):
            content = {"data": content, "timestamp": self.one(_TIMES)}
        return self.encoded(self.spoiled(json.dumps(content), rate=0.15))

    def table(self) -> bytes:
        """A CSV, as a spreadsheet might leave it."""
        delimiter = self.one((",", ";", "\t"))
        names = (
            "phone",
            "Email",
            "id",
            "Full Name",
            "created_at",
            "external_id",
            str(self.one(_TEXTS)),
        )
        header = self.random.sample(names, 3)
        lines = [delimiter.join(header)]
        for _ in range(self.random.randrange(6)):
            cells = [str(self.value()) for _ in header]
            lines.append(delimiter.join(f'"{cell}"' if self.is_so(0.3) else cell for cell in cells))
        encoding = self.one(("utf-8", "utf-8-sig", "utf-16", "cp1252"))
        mode = "replace" if encoding == "cp1252" else "surrogatepass"
        return "\r\n".join(lines).encode(encoding, mode)
