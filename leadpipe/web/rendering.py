"""Pages from templates, with what every page needs."""

from collections.abc import Mapping
from datetime import datetime
from functools import cache
from importlib.resources import files
from zoneinfo import ZoneInfo

from jinja2 import (
    ChoiceLoader,
    Environment,
    FileSystemLoader,
    PrefixLoader,
    StrictUndefined,
    pass_context,
    select_autoescape,
)
from jinja2.runtime import Context
from markupsafe import Markup
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from leadpipe.domains import packages
from leadpipe.durations import duration
from leadpipe.moments import ago
from leadpipe.web.caller import Caller
from leadpipe.web.csrf import csrf_token
from leadpipe.web.parts import NavItem
from leadpipe.web.roles import ROLES
from leadpipe.web.state import state_of
from leadpipe.web.static_files import keeping, static_path, versioned
from leadpipe.zones import clock_text


def _templates(package: str) -> FileSystemLoader:
    return FileSystemLoader(str(files(package) / "templates"))


_FRAME = (
    NavItem("Today", "/today", 0),
    NavItem("Questions", "/questions", 80),
    NavItem("System", "/admin/sync", 90),
)

# The frame's by their names, a domain's with its name before: `leads/panel.html`.
_LOADER = ChoiceLoader(
    [
        _templates("leadpipe.web"),
        PrefixLoader(
            {
                package.__name__.rpartition(".")[2]: _templates(package.__name__)
                for package in packages()
            }
        ),
    ]
)
_ENVIRONMENT = Environment(
    loader=_LOADER,
    autoescape=select_autoescape(),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def render(
    request: Request, name: str, content: Mapping[str, object], *, status: int = 200
) -> Response:
    """A page.

    What every one has: `csrf`, the token for its forms; `nav`, what leads to the other pages; `me`, who looks
    at it; `may("worker")`, what they may do; and `now`, with the team's `zone`.
    """
    web = state_of(request)
    me = web.gate.caller_of(request)
    frame = {
        "csrf": csrf_token(request),
        "nav": _nav(request, me),
        "me": me,
        "may": lambda role: me is not None and me.may(ROLES[role]),
        "now": web.clock(),
        "zone": web.settings.alert_timezone,
    }
    text = _ENVIRONMENT.get_template(name).render(frame | dict(content))
    return HTMLResponse(text, status, headers={"Cache-Control": "no-store"})


def render_alone(name: str, content: Mapping[str, object], *, status: int) -> Response:
    """A page without forms and navigation, for where there is no session yet."""
    text = _ENVIRONMENT.get_template(name).render({"nav": [], "me": None} | dict(content))
    return HTMLResponse(text, status, headers={"Cache-Control": "no-store"})


def _nav(request: Request, me: Caller | None) -> list[tuple[NavItem, bool]]:
    """The pages that every page leads to, and whether the request is for one or below it; none logged out."""
    if me is None or me.role is None:
        return []
    items = [item for pages in state_of(request).pages for item in pages.nav]
    path = "/today" if request.url.path == "/" else request.url.path
    return [
        (item, path == item.path or path.startswith(f"{item.path}/"))
        for item in sorted([*items, *_FRAME], key=lambda item: (item.place, item.label))
    ]


async def script(request: Request) -> Response:
    """`GET /static/<domain>/<name>.js`: a script that a domain brings to the page."""
    wanted = "{domain}/{name}.js".format(**request.path_params)
    if not any(wanted in (pages.script, *pages.page_scripts) for pages in state_of(request).pages):
        raise HTTPException(404)
    text, _, _ = _LOADER.get_source(_ENVIRONMENT, wanted)
    return Response(text, media_type="text/javascript", headers={"Cache-Control": keeping(request)})


def _static(name: str) -> str:
    """The address of a style or script, of the frame or of a domain (`leads/leads.js`)."""
    if "/" not in name:
        return static_path(name)
    text, _, _ = _LOADER.get_source(_ENVIRONMENT, name)
    return versioned(name, text.encode())


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:,}"


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{value:.1f} %"


def _moment(value: datetime, zone: str = "UTC") -> str:
    return f"{value.astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M:%S} {zone}"


def _day(value: datetime, zone: str = "UTC") -> str:
    return f"{value.astimezone(ZoneInfo(zone)):%Y-%m-%d}"


@pass_context
def _since(context: Context, value: datetime) -> Markup:
    """How long ago something was; the page of syncs keeps it true."""
    zone = context["zone"]
    return _time(value, "since", ago(value, context["now"], zone), zone)


@pass_context
def _clock(context: Context, value: datetime, zone: str | None = None) -> Markup:
    """Up to when something is known, as the team's clock shows it, or that of a page's days."""
    zone = zone or context["zone"]
    return _time(value, "clock", clock_text(value, context["now"], zone), zone)


def _time(value: datetime, kind: str, text: str, zone: str) -> Markup:
    return Markup('<time class="{}" datetime="{}" title="{}">{}</time>').format(
        kind, value.isoformat(), _moment(value, zone), text
    )


_ENVIRONMENT.filters |= {
    "static": cache(_static),
    "number": _number,
    "percent": _percent,
    "moment": _moment,
    "day": _day,
    "ago": ago,
    "since": _since,
    "clock": _clock,
    "duration": duration,
}
