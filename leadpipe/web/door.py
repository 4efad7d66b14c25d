"""The door before the page and the Dagster UI: which requests come in at all.

Belongs here: who sent it, through which proxy, to which name. Does not belong here: logins (`sessions.py`),
secrets of programs (`guards.py`), what only the Dagster UI needs (`own_page.py`).

Two modes. *Open*: there is no login, so a request must come from this machine and from nowhere else: over
loopback, to a local name, through no proxy. *Public*: there is a login, and proxies that are named are
believed about the sender's address and about https.
"""

from collections.abc import Sequence

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware, _TrustedHosts

from leadpipe.errors import ConfigurationError
from leadpipe.web.caller import IDENTITY
from leadpipe.web.local_programs import service_of
from leadpipe.web.names import LOCAL_NAMES, is_loopback, without_port
from leadpipe.web.problems import alone
from leadpipe.web.sign_on import Identity, SignOn

_NEEDED = ("x-forwarded-for", "x-forwarded-proto")
_BY_PROXIES = (
    "forwarded",
    "via",
    "x-forwarded",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-port",
    "x-forwarded-proto",
    "x-forwarded-server",
    "x-real-ip",
)
_SET_NAMES = (
    "Without LEADPIPE_WEB_NAMES leadpipe is for people at this machine, without a login. Set it to the name "
    "that the proxy is called by, such as stats.example.org"
)


class Door:
    """Lets requests in, with the sender's address and scheme as a proxy that is believed says them.

    Args:
        app: what is behind it.
        is_public: see above.
        names: under which it may be called, beside local ones; none in public mode means any.
        proxies: addresses and networks of proxies that are believed; none is believed in open mode.
        sign_on: the headers in which a proxy says who calls, if that is switched on.
        sign_on_proxies: those that may.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        is_public: bool,
        names: Sequence[str],
        proxies: Sequence[str],
        sign_on: SignOn | None = None,
        sign_on_proxies: Sequence[str] = (),
    ) -> None:
        self.app = app
        self._is_public = is_public
        self._names = {without_port(name) for name in names}
        self._proxies = _TrustedHosts(list(proxies))
        self._sign_on = sign_on
        self._sign_on_proxies = _TrustedHosts(list(sign_on_proxies))
        self._believing = ProxyHeadersMiddleware(app, list(proxies))  # type: ignore[arg-type]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it with the setting to set."""
        if scope["type"] not in {"http", "websocket"}:
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        peer = scope["client"][0] if scope.get("client") else None
        problem = self._problem(headers, peer, scope.get("http_version", "1.1")) or self._service(
            scope
        )
        if problem is None and self._sign_on is not None:
            try:
                scope[IDENTITY] = self._identity(self._sign_on, headers, peer)
            except ConfigurationError as error:
                problem = str(error)
        if problem is not None:
            await refuse(problem, scope, receive, send)
        elif self._is_public:
            await self._believing(scope, receive, send)  # type: ignore[arg-type]
        else:
            await self.app(scope, receive, send)

    def _service(self, scope: Scope) -> str | None:
        """What is wrong with an open page's request of a service at this machine, such as a proxy."""
        if self._is_public or not scope.get("client") or not scope.get("server"):
            return None
        account = service_of(tuple(scope["client"]), tuple(scope["server"]))
        if account is None:
            return None
        return f"this request came from a service of this machine ({account}), as a proxy is. {_SET_NAMES}."

    def _identity(self, sign_on: SignOn, headers: Headers, peer: str | None) -> Identity | None:
        """Who a proxy says calls; None for a request that claims nothing."""
        if not sign_on.is_claimed(headers):
            return None
        if peer not in self._sign_on_proxies:
            raise ConfigurationError(
                "this request says who it is, and comes from no proxy of LEADPIPE_SSO_PROXIES. Only those "
                "may say so."
            )
        return sign_on.identity(headers)

    def _problem(self, headers: Headers, peer: str | None, version: str) -> str | None:
        hosts = headers.getlist("host")
        name = without_port(hosts[0]) if len(hosts) == 1 else ""
        if not self._is_public:
            via = next((each for each in _BY_PROXIES if each in headers), None)
            if version == "1.0":  # nginx that was told no header; no browser speaks it any more
                via = "HTTP/1.0"
            if via:
                return f"this request came through a proxy ({via}). {_SET_NAMES}."
            if not is_loopback(peer):
                return f"this request came from another machine. {_SET_NAMES}."
            return (
                None
                if name in LOCAL_NAMES
                else f"this is not the name of a page here. {_SET_NAMES}."
            )
        if not name or (self._names and name not in self._names | LOCAL_NAMES):
            return "this is not the name of a page here. LEADPIPE_WEB_NAMES has the names that are answered."
        if name in self._names - LOCAL_NAMES and peer in self._proxies:
            missing = [each for each in _NEEDED if each not in headers]
            if missing:
                return (
                    f"the proxy sends no {' and no '.join(missing)}, so nobody knows who calls, and whether "
                    "over https. Take the proxy's block from docs/web.md."
                )
        return None


async def refuse(
    problem: str, scope: Scope, receive: Receive, send: Send, *, status: int = 403
) -> None:
    """Answer a request with a status and the reason; a websocket is closed before it is opened."""
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008, "reason": ""})
        return
    await alone(Request(scope), status, problem)(scope, receive, send)
