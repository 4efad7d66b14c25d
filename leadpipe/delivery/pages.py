"""Delivery over HTTP: leads handed over, the partner's notices, and the panel people look at."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, cast

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from leadpipe.delivery import lists
from leadpipe.delivery.answer_rules import read_answer_rules
from leadpipe.delivery.connecting import connect_partner, delivery_place, delivery_policy
from leadpipe.delivery.fields import checked_fields, sent_fields
from leadpipe.delivery.handovers import HandOvers, Kind
from leadpipe.delivery.intake import kept_text, read_items
from leadpipe.delivery.listing import checked_query_names
from leadpipe.delivery.masking import contact_data, scrubbed
from leadpipe.delivery.partner_events import read_partner_event
from leadpipe.delivery.periods import BEGINNING
from leadpipe.delivery.reading import UnreadableJson, decoded, items_of, written
from leadpipe.delivery.service import deliver_due, settle
from leadpipe.delivery.settings import DeliverySettings
from leadpipe.delivery.settling import DECISIONS, Decision
from leadpipe.errors import BadPartnerEvent, DeliveryError, LeadpipeError, NotPublished
from leadpipe.settings import Settings
from leadpipe.web.answers import Refusal, answer
from leadpipe.web.csrf import check_csrf
from leadpipe.web.guards import secured_body
from leadpipe.web.parts import Detail, Look, Pages, Panel
from leadpipe.web.rendering import render
from leadpipe.web.roles import Role
from leadpipe.web.sessions import name_of, note_act, only_logged_in, require
from leadpipe.web.signing import check_signing_secret
from leadpipe.web.state import Web, state_of

PANEL = "/admin/delivery"
_MOST_LEADS = 1_000
_SHOWN = 200
_MOST_OF_A_LEAD = 20
_STATES = ("succeeded", "pending", "sent", "retrying", "unknown", "failed")


async def _take_leads(request: Request) -> Response:
    """`POST /api/leads`: one lead or a list; 202 means they are on disk and will be delivered."""
    web = state_of(request)
    body = await secured_body(web, request, _own(web).leads_secret, "LEADPIPE_LEADS_SECRET")
    try:
        items = items_of(body)
    except UnreadableJson as error:
        raise Refusal(400, f"the body cannot be used: {error}") from None
    if not 1 <= len(items) <= _MOST_LEADS or not any(isinstance(item, dict) for item in items):
        raise Refusal(400, f"send one lead or a list of 1 to {_MOST_LEADS}, each an object")
    own = _own(web)
    sent = sent_fields(checked_fields(own.npa_fields))
    leads = read_items(items, region=own.lead_phone_region, sent=sent)
    new = await _keep(web, "lead", [kept_text(item) for item in items])
    return answer(
        {
            "accepted": len(items),
            "duplicates": len(items) - new,
            "keys": [lead.key for lead in leads],
            "problems": {lead.key: lead.problem for lead in leads if lead.problem},
        },
        status=202,
    )


async def _take_notice(request: Request) -> Response:
    """`POST /api/webhooks/partner`: what became of a lead; counts once, in any order."""
    web = state_of(request)
    body = await secured_body(web, request, _own(web).npa_webhook_secret, "NPA_WEBHOOK_SECRET")
    own = _own(web)
    try:
        content = written(decoded(body))
        event = read_partner_event(
            content,
            event_id=request.headers.get("webhook-id"),
            now=web.clock(),
            zone=own.npa_timezone,
        )
    except (BadPartnerEvent, UnreadableJson) as error:
        await _set_aside(web, body.decode("utf-8", "replace"), str(error))
        raise Refusal(422, scrubbed(str(error), {})) from None
    new = await _keep(web, "notice", [content], identity=event.event_id)
    return answer({"status": event.status, "duplicate": not new})


async def _set_aside(web: Web, content: str, reason: str) -> None:
    """Keep a notice that means nothing, so that somebody sees that the partner sends it."""
    store = HandOvers(_own(web).hand_overs_path)
    try:
        await run_in_threadpool(store.set_aside, "notice", content, reason, now=web.clock())
    except DeliveryError as error:
        raise Refusal(503, str(error), headers={"Retry-After": "5"}) from None


async def _show_panel(request: Request) -> Response:
    """The delivery panel; `?reveal=1` shows personal data in full, which is logged."""
    if request.query_params.get("reveal") == "1":
        require(request, Role.WORKER)
        note_act(request, "revealed the personal data of failed leads")
    return await _panel(request, problem=None)


async def _retry_leads(request: Request) -> Response:
    """One click: send one failed lead now, or all of them."""
    await check_csrf(request)
    web = state_of(request)
    form = await request.form()
    given = str(form.get("id", ""))
    if given and not (given.isascii() and given.isdigit()):
        raise Refusal(400, "id should be the number of a lead")
    note_act(request, f"retried lead {given}" if given else "retried all failed leads")
    try:
        await run_in_threadpool(_retry, web, int(given) if given else None)
    except LeadpipeError as error:
        return await _panel(request, problem=str(error))
    return RedirectResponse(PANEL, status_code=303)


async def _settle_lead(request: Request) -> Response:
    """What a person decided about a lead: it is there, send it, or give it up."""
    await check_csrf(request)
    web = state_of(request)
    form = {name: str(value).strip() for name, value in (await request.form()).items()}
    given, decision = form.get("id", ""), form.get("decision", "")
    if not (given.isascii() and given.isdigit() and len(given) <= 18) or decision not in DECISIONS:  # noqa: PLR2004
        raise Refusal(400, "id should be the number of a lead, and decision one of the page's")
    form["who"] = name_of(request) or form.get("who", "")
    note_act(request, f"decided about lead {given}: {decision.replace('_', ' ')}")
    try:
        await run_in_threadpool(_settle, web, int(given), cast("Decision", decision), form)
    except LeadpipeError as error:
        return await _panel(request, problem=str(error))
    return RedirectResponse(PANEL, status_code=303)


async def _panel(request: Request, *, problem: str | None) -> Response:
    web = state_of(request)
    is_revealed = request.method == "GET" and request.query_params.get("reveal") == "1"
    content = await run_in_threadpool(_content, web, is_revealed=is_revealed)
    return render(
        request,
        "delivery/delivery.html",
        {**content, "problem": problem, "is_revealed": is_revealed},
        status=503 if problem else 200,
    )


def _content(web: Web, *, is_revealed: bool) -> dict[str, object]:
    folder = _own(web).published_dir
    try:
        report, findings = lists.last_report(folder)
        return {
            "rates": lists.rates(folder, since=BEGINNING).as_dicts(),
            "failed": lists.failed_leads(folder, show_pii=is_revealed, limit=_SHOWN).as_dicts(),
            "aside": _aside(web),
            "report": report,
            "findings": findings.as_dicts(),
            "breaker": lists.breaker(folder),
        }
    except NotPublished:
        return {
            "rates": [],
            "failed": [],
            "aside": _aside(web),
            "report": None,
            "findings": [],
            "breaker": None,
        }


def _aside(web: Web) -> list[dict[str, object]]:
    kept = HandOvers(_own(web).hand_overs_path).aside()[-_SHOWN:]
    return [
        {"kind": each.kind, "received_at": each.received_at, "reason": scrubbed(each.reason, {})}
        for each in kept
    ]


def _settle(web: Web, lead_id: int, decision: Decision, form: dict[str, str]) -> None:
    settle(
        delivery_place(_own(web)),
        lead_id,
        decision,
        who=form.get("who") or "somebody on the page",
        why=form.get("why", ""),
        npa_lead_id=form.get("npa_lead_id") or None,
        now=web.clock(),
    )
    if decision == "send_again" and _own(web).npa_api_url is not None:
        _retry(web, lead_id)


def _retry(web: Web, lead_id: int | None) -> None:
    folder = _own(web).published_dir
    found = lists.failed_leads(folder, lead_id=lead_id, limit=1_000_000).as_dicts()
    ids = [int(str(row["id"])) for row in found]
    if not ids:
        raise DeliveryError("There is no such failed lead any more; load the page again")
    with connect_partner(_own(web)) as partner:
        deliver_due(
            delivery_place(_own(web)),
            partner,
            policy=delivery_policy(_own(web)),
            clock=web.clock,
            ids=ids,
            seconds=60.0,
        )


async def _keep(web: Web, kind: Kind, contents: list[str], *, identity: str | None = None) -> int:
    store = HandOvers(_own(web).hand_overs_path)
    try:
        return await run_in_threadpool(
            store.add, kind, contents, now=web.clock(), identity=identity
        )
    except DeliveryError as error:
        raise Refusal(503, str(error), headers={"Retry-After": "5"}) from None


def _own(web: Web) -> DeliverySettings:
    return web.settings.of(DeliverySettings)


def _by_state(look: Look) -> dict[str, Any] | None:
    """How many leads are in which state of delivery."""
    rows = look.query("SELECT state, count(*) AS leads FROM lead_deliveries GROUP BY state")
    if not rows:
        return None
    counts = {row["state"]: row["leads"] for row in rows}
    return {"counts": [(name, counts[name]) for name in _STATES if name in counts]}


def _of_lead(look: Look, lead: Mapping[str, Any], is_revealed: bool) -> Mapping[str, Any] | None:  # noqa: FBT001 - the frame's
    """Deliveries of what a lead's seeker said in conversations, with the contact data in them."""
    rows = look.query(
        """
        SELECT d.id, d.state, d.channel, d.captured_at, d.finished_at, d.attempts, d.partner_status,
               coalesce(s.lead_data, f.lead_data) AS lead_data
        FROM lead_deliveries d LEFT JOIN succeeded_leads s USING (id) LEFT JOIN failed_leads f USING (id)
        WHERE d.seeker_id = $seeker ORDER BY d.id DESC LIMIT $most
        """,
        {"seeker": lead["seeker_id"], "most": _MOST_OF_A_LEAD},
    )
    if not rows:
        return None
    for row in rows:
        row["contact"] = contact_data(row.pop("lead_data"), is_revealed=is_revealed)
    return {"rows": rows, "can_reveal": any(row["contact"] for row in rows)}


def _check(settings: Settings, now: datetime) -> None:
    del now
    own = settings.of(DeliverySettings)
    checked_fields(own.npa_fields)
    checked_query_names(own.npa_list_query)
    read_answer_rules(own.npa_answers_file)
    check_signing_secret("NPA_WEBHOOK_SECRET", own.npa_webhook_secret)
    check_signing_secret("LEADPIPE_LEADS_SECRET", own.leads_secret)


PAGES = Pages(
    routes=[
        Route("/api/leads", _take_leads, methods=["POST"]),
        Route("/api/webhooks/partner", _take_notice, methods=["POST"]),
        Route(PANEL, only_logged_in(_show_panel)),
        Route(
            f"{PANEL}/retry", only_logged_in(_retry_leads, changes=Role.WORKER), methods=["POST"]
        ),
        Route(
            f"{PANEL}/settle", only_logged_in(_settle_lead, changes=Role.WORKER), methods=["POST"]
        ),
    ],
    panels=[Panel("section", "delivery/panel.html", _by_state)],
    details=[Detail("lead", "delivery/of_lead.html", _of_lead)],
    check=_check,
    needs={"hand-overs": lambda web: HandOvers(_own(web).hand_overs_path).check_writable()},
)
