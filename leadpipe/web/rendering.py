"""Pages from templates, with what every page needs."""

from collections.abc import Mapping
from datetime import UTC, datetime

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from leadpipe.web.csrf import csrf_token

_ENVIRONMENT = Environment(
    loader=PackageLoader("leadpipe.web", "pages"),
    autoescape=select_autoescape(),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def render(
    request: Request, name: str, content: Mapping[str, object], *, status: int = 200
) -> Response:
    """A page; `csrf` is the token for its forms."""
    text = _ENVIRONMENT.get_template(name).render(csrf=csrf_token(request), **content)
    return HTMLResponse(text, status, headers={"Cache-Control": "no-store"})


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:,}"


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{value:.1f} %"


def _moment(value: datetime) -> str:
    return f"{value.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


_ENVIRONMENT.filters |= {"number": _number, "percent": _percent, "moment": _moment}
