"""A partner to deliver leads to: takes, refuses, stalls, dies, forgets and doubles them, as it is told.

`POST /leads`, `GET /leads?phone=|email=|since=&until=` in pages, and `/_control/…` for tests. It is as nasty
as partners are: it may keep phones and emails in its own spelling and find them in that alone, number its
pages in any of the usual ways, have a clock of its own, write times without a zone, and say no under 200.
Does not belong here: being a process (`partner_process.py`), and anything of leadpipe or of PostHog.
"""

import asyncio
import json
import random
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import (
    HTMLResponse,
    JSONResponse,
    RedirectResponse,
    Response,
    StreamingResponse,
)
from starlette.routing import Route

PAGE_LEADS = 100
BEHAVIOURS = (
    "accept",
    "reject",
    "stall",
    "late",
    "die",
    "die_before",
    "busy",
    "broken",
    "html",
    "error_inside",
    "redirect",
    "duplicate",
    "silent",
    "says",
)
SPELLINGS = ("as given", "e164", "digits", "national", "pretty")
PAGINGS = ("cursor", "token", "page", "total", "offset", "link", "next", "nothing")
"""stall: no answer, nothing taken. late: taken, but answered after `seconds`. die: taken, the connection ends
inside the answer. die_before: nothing taken, the same. silent: taken, an empty answer. says: nothing taken,
the answer is `says_text` under `says_status`."""


@dataclass
class PartnerState:
    """What the partner is told to do, and the leads it has."""

    api_key: str = "npa_test"
    honours_key: bool = True
    keeps_key: bool = True
    offers_list: bool = True
    latency: float = 0.0
    seconds: float = 2.0
    default: str = "accept"
    busy_rate: float = 0.0
    death_rate: float = 0.0
    script: deque[str] = field(default_factory=deque)
    leads: list[dict[str, Any]] = field(default_factory=list)
    by_key: dict[str, dict[str, Any]] = field(default_factory=dict)
    requests: int = 0
    numbers: int = 0
    now: str | None = None
    spelling: str = "as given"
    is_searched_as_kept: bool = False
    paging: str = "cursor"
    clock_seconds: float = 0.0
    has_zones: bool = True
    keeps_session: bool = True
    says_text: str = "null"
    says_status: int = 200
    chance: random.Random = field(default_factory=lambda: random.Random(5))

    def configure(self, told: dict[str, Any]) -> None:
        """Change what is told; the leads stay.

        Raises:
            ValueError: no such setting or behaviour.
        """
        behaviours = {*told.get("script", ()), told.get("default", self.default)}
        if unknown := sorted(behaviours - set(BEHAVIOURS)):
            raise ValueError(
                f"the test partner cannot {unknown[0]!r}; it knows {', '.join(BEHAVIOURS)}"
            )
        for name, known in (("spelling", SPELLINGS), ("paging", PAGINGS)):
            if told.get(name, known[0]) not in known:
                raise ValueError(f"the test partner has no {name} {told[name]!r}")
        for name, value in told.items():
            if name == "script":
                self.script = deque(value)
            elif name in PartnerState.__dataclass_fields__ and name not in {"leads", "by_key"}:
                setattr(self, name, value)
            else:
                raise ValueError(f"the test partner has no setting {name!r}")

    def behaviour(self) -> str:
        """What to do with the next lead: the script first, then chance, then the default."""
        if self.script:
            return self.script.popleft()
        drawn = self.chance.random()
        if drawn < self.busy_rate:
            return "busy"
        if drawn < self.busy_rate + self.death_rate:
            return self.chance.choice(("die", "die_before"))
        return self.default

    def take(self, body: dict[str, Any], key: str | None) -> dict[str, Any]:
        """Keep a lead; once per key, if keys are honoured."""
        if self.honours_key and key and key in self.by_key:
            return self.by_key[key]
        lead = dict(body)
        if not self.keeps_key:
            lead.pop("external_id", None)
        if not self.keeps_session:
            lead.pop("session_id", None)
        for name, spelled in (("phone", self.respelled), ("email", self.lowered)):
            if lead.get(name) is not None:
                lead[name] = spelled(str(lead[name]))
        self.numbers += 1
        now = datetime.fromisoformat(self.now) if self.now else datetime.now(UTC)
        now += timedelta(seconds=self.clock_seconds)
        lead |= {
            "id": f"npa-{self.numbers}",
            "status": "submitted",
            "created_at": (now if self.has_zones else now.replace(tzinfo=None)).isoformat(),
        }
        self.leads.append(lead | {"_key": key})
        if key:
            self.by_key[key] = lead
        return lead

    def respelled(self, phone: str) -> str:
        """A phone number of North America as this partner keeps it."""
        national = _digits(phone)
        if len(national) != 10:
            return phone
        return {
            "as given": phone,
            "e164": f"+1{national}",
            "digits": f"1{national}",
            "national": national,
            "pretty": f"({national[:3]}) {national[3:6]}-{national[6:]}",
        }[self.spelling]

    def lowered(self, email: str) -> str:
        """An email address as this partner keeps it."""
        return email if self.spelling == "as given" else email.lower()


def create_partner() -> Starlette:
    """The application, with a state of its own."""
    app = Starlette(
        routes=[
            Route("/leads", _submit, methods=["POST"]),
            Route("/leads", _list, methods=["GET"]),
            Route("/_control/configure", _configure, methods=["POST"]),
            Route("/_control/leads", _show),
            Route("/_control/change", _change, methods=["POST"]),
            Route("/_control/reset", _reset, methods=["POST"]),
        ]
    )
    app.state.partner = PartnerState()
    return app


async def _submit(request: Request) -> Response:  # noqa: C901, PLR0911, PLR0912 - a table
    state: PartnerState = request.app.state.partner
    state.requests += 1
    body = await request.json()
    if request.headers.get("authorization") != f"Bearer {state.api_key}":
        return JSONResponse({"error": "invalid credentials"}, 401)
    key = request.headers.get("idempotency-key")
    behaviour = state.behaviour()
    if state.latency:
        await asyncio.sleep(state.latency)
    match behaviour:
        case "stall":
            await asyncio.sleep(state.seconds)
            return JSONResponse({"error": "too slow"}, 503)
        case "late":
            await asyncio.sleep(state.seconds)
        case "reject":
            return JSONResponse({"error": f"phone {body.get('phone')} is not wanted"}, 422)
        case "busy":
            return JSONResponse({"error": "busy"}, 503)
        case "broken":
            return JSONResponse({"error": "internal"}, 500)
        case "html":
            return HTMLResponse("<html><body>Please log in</body></html>")
        case "says":
            return Response(state.says_text, state.says_status, media_type="application/json")
        case "error_inside":
            return JSONResponse({"success": False, "message": "zip code not served"})
        case "redirect":
            return RedirectResponse("http://127.0.0.1:9/elsewhere", 302)
        case "die_before":
            return StreamingResponse(_dying(), 201, {"content-length": "1000"})
        case "duplicate":
            state.by_key.pop(key or "", None)
            state.take(body, None)
    lead = state.take(body, key)
    if behaviour == "die":
        return StreamingResponse(_dying(), 201, {"content-length": "1000"})
    if behaviour == "silent":
        return Response(status_code=204)
    return JSONResponse({"success": True, "lead": {"id": lead["id"]}}, 201)


async def _dying() -> AsyncIterator[bytes]:
    yield b'{"success": tr'
    raise ConnectionResetError("as scripted")


async def _list(request: Request) -> Response:
    state: PartnerState = request.app.state.partner
    if request.headers.get("authorization") != f"Bearer {state.api_key}":
        return JSONResponse({"error": "invalid credentials"}, 401)
    if not state.offers_list:
        return JSONResponse({"error": "no such thing"}, 404)
    found = [lead for lead in state.leads if _is_meant(state, lead, request.query_params)]
    return _page(state.paging, request, found)


def _page(paging: str, request: Request, found: list[dict[str, Any]]) -> Response:
    """The part of a list that was asked for, with what this partner says of the rest."""
    asked = request.query_params
    number = max(int(asked.get("page", "1")), 1)
    start = int(asked.get("cursor", asked.get("page_token", asked.get("offset", "0"))))
    start = (number - 1) * PAGE_LEADS if paging in {"page", "total"} else start
    shown = found[start:] if paging == "nothing" else found[start:][:PAGE_LEADS]
    leads = [{k: v for k, v in lead.items() if k != "_key"} for lead in shown]
    end = start + PAGE_LEADS
    is_more = end < len(found)
    following = request.url.include_query_params(cursor=end)
    told: Any = {
        "cursor": {"leads": leads, "next_cursor": str(end) if is_more else None},
        "token": {"items": leads, "next_page_token": str(end) if is_more else ""},
        "page": {
            "data": leads,
            "meta": {"current_page": number, "last_page": -(-len(found) // 100)},
        },
        "total": {"results": leads, "page": number, "total": len(found)},
        "offset": {"leads": leads, "offset": start, "limit": PAGE_LEADS},
        "link": leads,
        "next": {"leads": leads, "links": {"next": f"?{following.query}" if is_more else None}},
        "nothing": {"leads": leads},
    }[paging]
    headers = {"link": f'<?{following.query}>; rel="next"'} if paging == "link" and is_more else {}
    return JSONResponse(told, headers=headers)


def _is_meant(state: PartnerState, lead: dict[str, Any], asked: Any) -> bool:
    if state.is_searched_as_kept and ("phone" in asked or "email" in asked):
        return all(lead.get(name) == asked[name] for name in ("phone", "email") if name in asked)
    if "phone" in asked:
        return _digits(lead.get("phone")) == _digits(asked["phone"])
    if "email" in asked:
        return str(lead.get("email", "")).lower() == str(asked["email"]).lower()
    made = datetime.fromisoformat(lead["created_at"])
    made = made if made.tzinfo else made.replace(tzinfo=UTC)
    since, until = (asked.get(name) for name in ("since", "until"))
    return (since is None or made >= datetime.fromisoformat(since)) and (
        until is None or made < datetime.fromisoformat(until)
    )


def _digits(text: object) -> str:
    return "".join(c for c in str(text or "") if c.isdigit())[-10:]


async def _configure(request: Request) -> Response:
    try:
        request.app.state.partner.configure(await request.json())
    except ValueError as error:
        return JSONResponse({"error": str(error)}, 400)
    return JSONResponse({})


async def _show(request: Request) -> Response:
    state: PartnerState = request.app.state.partner
    return JSONResponse({"leads": state.leads, "requests": state.requests})


async def _change(request: Request) -> Response:
    """`{"forget": ["npa-1"], "edit": {"npa-2": {"zip_code": "1"}}, "add": [{…}]}`."""
    state: PartnerState = request.app.state.partner
    told = json.loads(await request.body())
    gone = set(told.get("forget", ()))
    state.leads = [lead for lead in state.leads if lead["id"] not in gone]
    state.by_key = {key: lead for key, lead in state.by_key.items() if lead["id"] not in gone}
    for lead in state.leads:
        lead.update(told.get("edit", {}).get(lead["id"], {}))
    for body in told.get("add", ()):
        state.take(body, None)
    return JSONResponse({})


async def _reset(request: Request) -> Response:
    request.app.state.partner = PartnerState()
    return JSONResponse({})
