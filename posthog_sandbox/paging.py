"""Pages of `limit` and `offset`, and the addresses of the pages beside one.

Belongs here: what PostHog's lists share. Does not belong here: what is listed.
"""

from typing import Any

from starlette.requests import Request

from posthog_sandbox.refusals import invalid

_DEFAULT_LIMIT = 100


def asked_page(request: Request) -> tuple[int, int]:
    """Limit and offset.

    Raises:
        Refusal: 400, they are no numbers.
    """
    try:
        limit = int(request.query_params.get("limit") or _DEFAULT_LIMIT)
        offset = int(request.query_params.get("offset") or 0)
    except ValueError:
        raise invalid("limit and offset must be numbers.") from None
    if limit < 1 or offset < 0:
        raise invalid("limit must be above 0 and offset not below.")
    return limit, offset


def page_of(request: Request, results: list[Any], *, has_more: bool) -> dict[str, Any]:
    """The body of a page, with absolute addresses as PostHog gives them."""
    limit, offset = asked_page(request)
    before, after = offset - limit, offset + limit
    return {
        "next": _address(request, limit, after) if has_more else None,
        "previous": _address(request, limit, before) if before >= 0 else None,
        "results": results,
    }


def _address(request: Request, limit: int, offset: int) -> str:
    return str(request.url.include_query_params(limit=limit, offset=offset))
