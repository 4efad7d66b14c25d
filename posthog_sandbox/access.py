"""Keys, scopes and the one project: who may ask for what.

Belongs here: authentication of the private API. Does not belong here: capture's public token
(`capture.py`).
"""

from dataclasses import dataclass, field

from starlette.requests import Request

from posthog_sandbox import refusals


@dataclass
class Access:
    """The project and the one personal API key that opens it."""

    api_key: str = "phx_sandbox"
    project_id: str = "1"
    initial_scopes: tuple[str, ...] = ("*",)
    scopes: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        self.scopes = self.initial_scopes

    def check_key(self, request: Request) -> None:
        """Let a request with the right key pass.

        Raises:
            Refusal: 401.
        """
        kind, _, key = request.headers.get("authorization", "").partition(" ")
        if kind.lower() != "bearer" or not key.strip():
            raise refusals.not_authenticated()
        if key.strip() != self.api_key:
            raise refusals.key_invalid()

    def check_scope(self, scope: str) -> None:
        """Let a key with the scope, its `:write` sister or `*` pass.

        Raises:
            Refusal: 403 that names the scope.
        """
        writing = scope.replace(":read", ":write")
        if not {"*", scope, writing} & set(self.scopes):
            raise refusals.scope_missing(scope)

    def check_project(self, project_id: str) -> None:
        """Let requests to the project pass.

        Raises:
            Refusal: 404 for a number that is no project's, as PostHog answers.
        """
        if project_id not in {self.project_id, "@current"}:
            raise refusals.project_not_found()
