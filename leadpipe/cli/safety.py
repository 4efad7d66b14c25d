"""What `leadpipe check` says of safety: who can reach the page, secrets, files that others read, the proxy.

Belongs here: findings only. The rules stand where they are kept: `leadpipe/web/`, `leadpipe/private.py`.
"""

import ipaddress
import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import httpx
from pydantic import SecretStr

from leadpipe.cli.findings import Finding
from leadpipe.errors import LeadpipeError
from leadpipe.private import can_others_read, said_of_others
from leadpipe.settings import Settings
from leadpipe.web.caller import has_login
from leadpipe.web.kept import kept_secret
from leadpipe.web.people import People
from leadpipe.web.roles import Role
from leadpipe.web.settings import WebSettings
from leadpipe.web.sign_on import PASSED_ON, PROBE
from leadpipe.web.signing import can_sign, check_length, check_posthog_secret, check_signing_secret

_ANSWER_SECONDS = 5.0
_KEPT = ("session_key", "admin_token", "dagster_key")


def findings(settings: Settings) -> Iterator[Finding]:
    """What is right and wrong, and the next step."""
    own = settings.of(WebSettings)
    problems = list(_wrong_secrets(own))
    for problem in problems:
        yield Finding("wrong", "secrets", problem)
    if not problems:
        yield _endpoints(own)
    yield _reach(own)
    yield from _sign_on(own)
    yield from _accounts(settings.data_dir)
    yield from _files(settings.data_dir)
    for name in own.names:
        yield _front(name)
        if own.sso_user_header and (passed_on := _passed_on(name, own.sso_user_header)):
            yield passed_on


def _wrong_secrets(settings: WebSettings) -> Iterator[str]:
    """What no start would take, of the settings and of the data folder."""
    for check in _checks(settings):
        try:
            check()
        except LeadpipeError as error:
            yield str(error)


def _checks(settings: WebSettings) -> Iterator[Callable[[], object]]:
    webhook = "POSTHOG_WEBHOOK_SECRET"
    yield partial(check_posthog_secret, webhook, settings.posthog_webhook_secret)
    yield partial(check_length, "LEADPIPE_ADMIN_TOKEN", settings.admin_token)
    yield partial(check_length, "LEADPIPE_SSO_SECRET", settings.sso_secret)
    for name, secret in _secrets_of_endpoints(settings):
        if name not in {webhook, "LEADPIPE_SSO_SECRET"}:
            yield partial(check_signing_secret, name, secret)
    for name in _KEPT:
        if (settings.data_dir / name).exists():
            yield partial(kept_secret, settings.data_dir / name)


def _secrets_of_endpoints(settings: Settings) -> Iterator[tuple[str, SecretStr]]:
    """The settings of all domains that callers have to bring, those that are set."""
    for name, field in type(settings).model_fields.items():
        shown, value = field.alias or name.upper(), getattr(settings, name)
        if shown.endswith("_SECRET") and isinstance(value, SecretStr):
            yield shown, value


def _endpoints(settings: WebSettings) -> Finding:
    secrets = {
        "POSTHOG_WEBHOOK_SECRET": settings.posthog_webhook_secret,
        "CRON_SECRET": settings.cron_secret,
        "LEADPIPE_METRICS_SECRET": settings.metrics_secret,
    }
    missing = ", ".join(name for name, secret in secrets.items() if secret is None)
    if missing:
        who = "are closed" if has_login(settings) else "answer this machine only"
        return Finding(
            "ok", "web page", f"webhook, cron and metrics without a secret {who}: {missing} not set"
        )
    text = "webhook, cron and metrics are secured"
    webhook = settings.posthog_webhook_secret
    if webhook is not None and not can_sign(webhook):
        text += (
            "; PostHog can send the webhook's secret, not sign with it (`leadpipe webhook secret`)"
        )
    return Finding("ok", "web page", text)


def _reach(settings: WebSettings) -> Finding:
    if not settings.is_public:
        text = "the page is open to everybody at this machine; what a proxy passes on is refused"
        if settings.admin_token is not None:
            text = "the page wants a login, at this machine; what a proxy passes on is refused"
        return Finding("ok", "access", f"{text} (LEADPIPE_WEB_NAMES not set)")
    if not settings.names:
        return Finding(
            "warning",
            "access",
            f"the page listens on {settings.web_host} for any name, and without https the token goes in "
            "clear. Put a proxy before it and set LEADPIPE_WEB_NAMES, see docs/web.md",
        )
    return Finding("ok", "access", f"the page wants a login, as {', '.join(settings.names)}")


def _sign_on(settings: WebSettings) -> Iterator[Finding]:
    """Whether a proxy may say who calls, and who else could."""
    try:
        believed = settings.sign_on(is_public=settings.is_public)
    except LeadpipeError as error:
        yield Finding("wrong", "sign-on", str(error))
        return
    if believed is None:
        return
    roles = (
        ", ".join(f"{group} {role}" for group, role in believed.roles.items()) or "accounts only"
    )
    text = f"{settings.sso_proxies} may say who calls, in {believed.user}; roles: {roles}"
    if believed.secret is None and any(map(_is_here, settings.sign_on_proxies)):
        yield Finding(
            "warning",
            "sign-on",
            f"{text}. Every program at this machine may say so, too: set LEADPIPE_SSO_SECRET "
            "(docs/web.md)",
        )
        return
    yield Finding("ok", "sign-on", text)


def _is_here(proxy: str) -> bool:
    return ipaddress.ip_network(proxy).is_loopback


def _accounts(data_dir: Path) -> Iterator[Finding]:
    """Who has an account, by role."""
    people = People(data_dir / "logins.sqlite").all()
    counts = {role: sum(one.role is role for one in people) for role in Role}
    shown = ", ".join(f"{count} {role}" for role, count in counts.items() if count)
    if shown:
        yield Finding("ok", "accounts", f"{shown} (`leadpipe access list`)")


def _files(data_dir: Path) -> Iterator[Finding]:
    if wide := said_of_others(data_dir):
        yield Finding("warning", "files", wide)
    elif data_dir.is_dir():
        yield Finding("ok", "files", f"only their owner can read {data_dir}")
    env = Path(".env")
    if env.is_file() and can_others_read(env):
        yield Finding(
            "warning", "files", "others at this machine can read .env and its keys: chmod 600 .env"
        )
    if data_dir.is_dir() and data_dir.stat().st_uid not in {os.getuid(), 0}:
        yield Finding(
            "warning", "files", f"{data_dir} belongs to another user than the one who asks"
        )


def _front(name: str) -> Finding:
    """Whether the page answers under its name, over https, and is told so by the proxy."""
    try:
        with httpx.Client(timeout=_ANSWER_SECONDS) as client:
            answer = client.get(f"https://{name}/login")
    except httpx.HTTPError as error:
        words = " ".join(str(error).split())[:200]
        kind = "its certificate is not trusted" if "CERTIFICATE" in words.upper() else "no answer"
        return Finding("warning", "proxy", f"https://{name}: {kind} ({words})")
    if answer.status_code == 403:  # noqa: PLR2004
        return Finding("wrong", "proxy", f"https://{name}: {answer.text.strip()[:300]}")
    if not answer.is_success:
        text = f"https://{name}/login answers {answer.status_code}; is `leadpipe serve` running?"
        return Finding("warning", "proxy", text)
    if "__Host-leadpipe=" not in answer.headers.get("set-cookie", ""):
        text = (
            "sends no `X-Forwarded-Proto: https`, so cookies go over http as well; see docs/web.md"
        )
        return Finding("wrong", "proxy", f"https://{name} {text}")
    return Finding("ok", "proxy", f"https://{name} answers, with a trusted certificate")


def _passed_on(name: str, header: str) -> Finding | None:
    """What is wrong where the proxy passes on who a sender says to be; None where it does not."""
    forged = {header: PROBE}
    try:
        with httpx.Client(timeout=_ANSWER_SECONDS) as client:
            for path in ("/login", "/healthz", "/dagster/healthz"):
                if PASSED_ON in client.get(f"https://{name}{path}", headers=forged).text:
                    return Finding(
                        "wrong",
                        "sign-on",
                        f"https://{name}{path}: {PASSED_ON}, so anybody can be anybody. It must replace "
                        f"{header} on every path, see docs/web.md",
                    )
    except httpx.HTTPError:
        return None  # which `_front` has said
    return None
