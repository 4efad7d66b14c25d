"""Faults that a test asks for: what goes wrong, for how many requests, for which ones.

Belongs here: the kinds, and choosing the fault for a request. Does not belong here: doing it to the
connection (`front.py`).

Kinds that answer instead of the sandbox: `rate_limit` (option `seconds`), `concurrency_limit`,
`timeout_504`, `error_512`, `memory_513`, `server_error_500`, `unavailable_503` (`retry_after`),
`quota_402`, `unauthorized_401`, `missing_scope_403` (`scope`), `project_404`, `html_502`,
`wrong_json`. Kinds that spoil the real answer: `stall` (`seconds`), `drip` (`seconds` between
pieces of `bytes`), `cut_body` (after `bytes`), `reset` (no answer at all).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from starlette.responses import HTMLResponse, Response

from posthog_sandbox import refusals

_PAGE = (
    "<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>"
)
_SPOILING = frozenset({"stall", "drip", "cut_body", "reset"})


def _retry_after(options: Mapping[str, Any]) -> int | None:
    seconds = options.get("retry_after")
    return None if seconds is None else int(seconds)


_ANSWERS: Mapping[str, Callable[[Mapping[str, Any]], Response]] = {
    "rate_limit": lambda o: refusals.throttled(int(o.get("seconds", 1))).response(),
    "concurrency_limit": lambda _: refusals.too_many_at_once(3).response(),
    "timeout_504": lambda _: refusals.timed_out().response(),
    "error_512": lambda _: refusals.too_slow().response(),
    "memory_513": lambda _: refusals.out_of_memory().response(),
    "server_error_500": lambda _: refusals.server_error().response(),
    "unavailable_503": lambda o: refusals.at_capacity(_retry_after(o)).response(),
    "quota_402": lambda _: refusals.quota_exceeded().response(),
    "unauthorized_401": lambda _: refusals.key_invalid().response(),
    "missing_scope_403": lambda o: refusals.scope_missing(
        str(o.get("scope", "query:read"))
    ).response(),
    "project_404": lambda _: refusals.project_not_found().response(),
    "html_502": lambda _: HTMLResponse(_PAGE, 502),
    "wrong_json": lambda _: Response(b'{"results": [[1, "cut', media_type="application/json"),
}
KINDS = frozenset(_ANSWERS) | _SPOILING


@dataclass
class Fault:
    """One fault; `times` counts down, -1 is for ever."""

    kind: str
    times: int = 1
    after: int = 0
    match: str = ""
    options: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(
                f"No fault is called {self.kind!r}; there are {', '.join(sorted(KINDS))}."
            )

    def answer(self) -> Response | None:
        """The answer instead of the sandbox's, if that is what this fault is."""
        build = _ANSWERS.get(self.kind)
        return build(self.options) if build else None

    def option(self, name: str, default: float) -> float:
        """A number among the options."""
        return float(self.options.get(name, default))


class Faults:
    """The faults in force, the oldest first."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []

    def add(self, fault: Fault) -> None:
        """Put a fault in force."""
        self._faults.append(fault)

    def clear(self) -> None:
        """Remove all faults."""
        self._faults = []

    def take(self, path: str, name: str | None) -> Fault | None:
        """The fault that strikes this request; the oldest that matches and has times left."""
        for fault in self._faults:
            if fault.times == 0 or (fault.match not in path and fault.match not in (name or "")):
                continue
            if fault.after > 0:
                fault.after -= 1
                continue
            if fault.times > 0:
                fault.times -= 1
            return fault
        return None
