"""PostHog's error answers: a status and the body `{"type", "code", "detail", "attr"}`.

Belongs here: the refusals that several parts share, worded as PostHog words them. Does not belong
here: when to refuse.
"""

from dataclasses import dataclass, field

from starlette.responses import JSONResponse, Response


@dataclass
class Refusal(Exception):  # noqa: N818 - an answer, not a mishap
    """A request that PostHog would answer with an error."""

    status: int
    type: str
    code: str
    detail: str
    headers: dict[str, str] = field(default_factory=dict)
    attr: str | None = None

    def response(self) -> Response:
        """The answer."""
        body = {"type": self.type, "code": self.code, "detail": self.detail, "attr": self.attr}
        return JSONResponse(body, self.status, headers=self.headers)


def invalid_query(detail: str, code: str = "invalid_input") -> Refusal:
    """400: HogQL that does not parse, resolve or run."""
    return Refusal(400, "validation_error", code, detail)


def not_authenticated() -> Refusal:
    """401: no key in the request."""
    detail = "Authentication credentials were not provided."
    return _unauthorized("not_authenticated", detail)


def key_invalid() -> Refusal:
    """401: a key that is none of this server's."""
    detail = "Personal API key found in request Authorization header is invalid."
    return _unauthorized("authentication_failed", detail)


def scope_missing(scope: str) -> Refusal:
    """403: the key may not do this."""
    detail = f"API key missing required scope '{scope}'"
    return Refusal(403, "authentication_error", "permission_denied", detail)


def project_not_found() -> Refusal:
    """404: no such project."""
    return Refusal(404, "invalid_request", "not_found", "Project not found.")


def not_found() -> Refusal:
    """404: no such endpoint."""
    return Refusal(404, "invalid_request", "not_found", "Endpoint not found.")


def no_such_object() -> Refusal:
    """404: the project has no such cohort or person."""
    return Refusal(404, "invalid_request", "not_found", "Not found.")


def invalid(detail: str, *, attr: str | None = None, code: str = "invalid_input") -> Refusal:
    """400: a field of the request's body; `attr` names it."""
    return Refusal(400, "validation_error", code, detail, attr=attr)


def method_not_allowed(detail: str) -> Refusal:
    """405: PostHog has no such operation."""
    return Refusal(405, "invalid_request", "method_not_allowed", detail)


def throttled(seconds: int) -> Refusal:
    """429 by rate, which says how long to wait."""
    detail = f"Request was throttled. Expected available in {seconds} seconds."
    headers = {"Retry-After": str(seconds)}
    return Refusal(429, "throttled_error", "throttled", detail, headers)


def too_many_at_once(limit: int) -> Refusal:
    """429 by concurrency, which does not say how long to wait."""
    task = "api:query:per-org:00000000-0000-4000-8000-00000000c0de"
    detail = f"Exceeded maximum concurrency limit: {limit} for key: {task} and task: sandbox"
    return Refusal(429, "throttled_error", "throttled", detail)


def quota_exceeded() -> Refusal:
    """402: the month's free reading is used up."""
    detail = (
        "Your organization has read more query data over the API than its free allowance for this "
        "month. API queries will be available again when the allowance resets. Upgrade your plan "
        "in Billing settings to restore access sooner, or ask an org admin to do so."
    )
    return Refusal(402, "server_error", "api_queries_quota_exceeded", detail)


def timed_out() -> Refusal:
    """504: ten seconds were not enough."""
    detail = (
        "Query has hit the max execution time before completing. See our docs for how to improve "
        "your query performance. You may need to materialize."
    )
    return Refusal(504, "server_error", "error", detail)


def too_slow() -> Refusal:
    """512: ClickHouse guesses that it would take too long."""
    detail = (
        "Estimated query execution time is too long. Try reducing its scope by changing the time "
        "range."
    )
    return Refusal(512, "server_error", "error", detail)


def out_of_memory() -> Refusal:
    """513: the query wants more memory than it may."""
    detail = (
        "This query ran out of memory before it could finish, usually because it's scanning too "
        "much data. Try a shorter date range or narrower filters, or see our docs for more ways "
        "to speed it up: https://posthog.com/docs/product-analytics/troubleshooting"
        "#how-do-i-speed-up-my-insights-and-queries"
    )
    return Refusal(513, "server_error", "clickhouse_memory_limit_exceeded", detail)


def at_capacity(retry_after: int | None = None) -> Refusal:
    """503: the cluster is full, for now."""
    detail = (
        "Queries are a little too busy right now. We're working to free up resources. Please try "
        "again later."
    )
    headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
    return Refusal(503, "server_error", "error", detail, headers)


def server_error() -> Refusal:
    """500: something of PostHog's own."""
    return Refusal(500, "server_error", "error", "A server error occurred.")


def _unauthorized(code: str, detail: str) -> Refusal:
    headers = {"WWW-Authenticate": "Bearer"}
    return Refusal(401, "authentication_error", code, detail, headers)
