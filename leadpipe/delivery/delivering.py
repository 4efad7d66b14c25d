"""Deliver what is due: ask about what is unknown, then send, each lead accepted at most once.

The warehouse is open for moments only: leads are claimed in one transaction, sent by threads without it,
and their outcomes entered in the next, together with the next claim.
"""

import random
from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from leadpipe import tracing
from leadpipe.delivery import breaker as breakers
from leadpipe.delivery import outbox
from leadpipe.delivery.answers import Verdict
from leadpipe.delivery.breaker import Breaker
from leadpipe.delivery.lead import normal_email, spellings
from leadpipe.delivery.masking import scrubbed
from leadpipe.delivery.matching import Undecided, identities, matching
from leadpipe.delivery.outbox import Choice, Claimed, Outcome
from leadpipe.delivery.partner import Partner, PartnerLead
from leadpipe.delivery.policy import DeliveryPolicy
from leadpipe.errors import PartnerUnavailable
from leadpipe.warehouse import Warehouse

Sent = tuple[Verdict, datetime]
Answered = tuple[Claimed, Verdict, datetime]

_AHEAD = 16
"""Claimed leads per request in flight: what the threads live on while the warehouse is open."""


@dataclass(frozen=True)
class DeliveryReport:
    """What a delivery did, by number of leads.

    Args:
        sent: requests that submitted a lead, and no more than were made.
        asked: leads that the partner was asked about.
        succeeded: the partner has them; `found` of them by being asked.
        failed: for good, a person decides.
        retrying: not taken this time.
        unknown: perhaps taken; the partner is asked later, or a person decides.
        undecided: those of them that only a person can decide.
        recovered: left as sent by a process that died.
        stopped: why sending stopped early, None if it did not.
    """

    sent: int = 0
    asked: int = 0
    succeeded: int = 0
    found: int = 0
    failed: int = 0
    retrying: int = 0
    unknown: int = 0
    undecided: int = 0
    recovered: int = 0
    stopped: str | None = None


def deliver(
    warehouse: Warehouse,
    partner: Partner,
    *,
    policy: DeliveryPolicy,
    clock: Callable[[], datetime],
    ids: Sequence[int] | None = None,
    jitter: Callable[[], float] = random.random,
    seconds: float = 3_600.0,
    is_stopped: Callable[[], bool] = lambda: False,
    progress: Callable[[DeliveryReport], None] = lambda _: None,
) -> DeliveryReport:
    """Deliver the leads that are due, or chosen ones. The caller holds the delivery turn.

    Args:
        warehouse: has the outbox; opened for short transactions only.
        partner: sent to, from `policy.concurrency` threads.
        policy: retries, settling, breaker.
        clock: the time (UTC).
        ids: only these leads, whether due or not, also those that failed for good.
        jitter: from 0 to 1, spreads retries.
        seconds: after so long no further lead is begun.
        is_stopped: asked before each claim; when true no further lead is begun.
        progress: told after each transaction.

    Raises:
        WarehouseLocked: outcomes could not be entered. What was sent is `unknown` next time, and asked for.

    Whatever stops it, what is under way is waited for, and every answer that can be kept is kept.
    """
    return _Delivery(
        warehouse, partner, policy, clock, jitter, ids, seconds, is_stopped, progress
    ).run()


def ask_partner(partner: Partner, lead: Claimed, region: str) -> list[PartnerLead] | str:
    """What the partner lists for a lead, in every spelling it may keep; a text says why it does not tell."""
    given = _text(lead.data.get("email"))
    emails = (given, given and given.lower(), normal_email(given))
    try:
        return partner.find(
            phones=spellings(lead.data.get("phone"), region),
            emails=list(dict.fromkeys(each for each in emails if each)),
            key=lead.key,
        )
    except PartnerUnavailable as error:
        return scrubbed(str(error), lead.data)


@dataclass
class _Delivery:
    warehouse: Warehouse
    partner: Partner
    policy: DeliveryPolicy
    clock: Callable[[], datetime]
    jitter: Callable[[], float]
    ids: Sequence[int] | None
    seconds: float
    is_stopped: Callable[[], bool]
    progress: Callable[[DeliveryReport], None]
    report: DeliveryReport = field(default_factory=DeliveryReport)

    def run(self) -> DeliveryReport:
        started = self.clock()
        self.until = started + timedelta(seconds=self.seconds)
        self.choice = Choice(started, self.ids)
        with self.warehouse.writing("delivery") as connection:
            recovered = outbox.recover(connection, now=started)
            self.breaker = Breaker(breakers.last_change(connection), self.policy)
            asked = outbox.unknown_leads(connection, self.choice)
            taken = outbox.taken_partner_ids(connection) if asked else set()
            unsettled = outbox.unsettled(connection) if asked else []
        self.report = replace(self.report, recovered=recovered)
        self.persons: dict[str, set[int]] = defaultdict(set)
        for lead in unsettled:
            for identity in identities(lead.data, self.policy.region):
                self.persons[identity].add(lead.id)
        rest = self.breaker.is_open and not self.breaker.may_try(started) and self.ids is None
        if rest:
            self.report = replace(self.report, stopped=self._resting())
            return self.report
        with ThreadPoolExecutor(self.policy.concurrency, thread_name_prefix="deliver") as pool:
            self._resolve(pool, asked, taken)
            self._send_all(pool)
        if self.breaker.is_open and self.report.stopped is None:
            self.report = replace(self.report, stopped=self._resting())
        return self.report

    def _resolve(self, pool: ThreadPoolExecutor, asked: list[Claimed], taken: set[str]) -> None:
        """Ask the partner about leads it may have; in portions, so that little is asked twice."""
        size = self.policy.concurrency * _AHEAD
        for start in range(0, len(asked), size):
            if self.is_stopped() or self.clock() >= self.until:
                return
            part = asked[start : start + size]
            answers = list(pool.map(tracing.carried(self._ask), part))
            outcomes = [
                self._resolved(lead, found, taken)
                for lead, found in zip(part, answers, strict=True)
            ]
            self._enter(outcomes)
            self._count(outcomes, asked=len(part) if self.partner.can_list else 0)

    def _enter(self, outcomes: Sequence[Outcome]) -> None:
        """Keep outcomes; where they cannot be kept together, each by itself, without what breaks it."""
        try:
            with self.warehouse.writing("delivery") as connection:
                outbox.record(connection, outcomes)
        except outbox.BROKEN_BY_DATA:
            if len(outcomes) == 1:
                with self.warehouse.writing("delivery") as connection:
                    outbox.record(connection, [outcomes[0].bare])
                return
            for outcome in outcomes:
                self._enter([outcome])

    def _ask(self, lead: Claimed) -> list[PartnerLead] | str:
        if not self.partner.can_list:
            return []
        try:
            return ask_partner(self.partner, lead, self.policy.region)
        except Exception as error:  # noqa: BLE001 - one question's trouble is that lead's alone
            return f"the question broke off ({type(error).__name__})"

    def _resolved(self, lead: Claimed, found: list[PartnerLead] | str, taken: set[str]) -> Outcome:
        if isinstance(found, str):
            return self._unanswered(lead, found)
        try:
            return self._decided(lead, found, taken)
        except Exception as error:  # noqa: BLE001 - one answer's trouble is that lead's alone
            return self._unanswered(lead, f"what it lists cannot be read ({type(error).__name__})")

    def _unanswered(self, lead: Claimed, why: str) -> Outcome:
        now = self.clock()
        later = now + self.policy.wait_after(lead.attempts, self.jitter())
        message = f"asked whether it has the lead, without an answer: {why}"
        return Outcome(lead.id, "unknown", "unknown", now, message, next_attempt_at=later)

    def _decided(self, lead: Claimed, found: list[PartnerLead], taken: set[str]) -> Outcome:
        now = self.clock()
        ours = identities(lead.data, self.policy.region)
        rivals = set().union(*(self.persons[each] for each in ours)) - {lead.id}
        match = matching(lead, found, taken=taken, region=self.policy.region, rivals=len(rivals))
        if isinstance(match, PartnerLead):
            taken.add(match.mark)
            for each in ours:
                self.persons[each].discard(lead.id)
            return Outcome(lead.id, "succeeded", "found", now, npa_lead_id=match.npa_lead_id)
        if isinstance(match, Undecided):
            message = f"{match.why}: a person decides (`leadpipe failed settle {lead.id}`)"
            return Outcome(lead.id, "unknown", "undecided", now, message)
        settled = (lead.last_sent_at or now) + self.policy.settle
        can_know = self.partner.can_list or self.policy.honours_key
        if not can_know:
            message = (
                "the partner can be asked neither by list nor by key: a person decides "
                f"(`leadpipe failed settle {lead.id}`)"
            )
            return Outcome(lead.id, "unknown", "undecided", now, message)
        if now < settled:
            message = "not in the partner's list yet; asked again when it has had its time"
            return Outcome(lead.id, "unknown", "absent", now, message, next_attempt_at=settled)
        if lead.attempts >= self.policy.most_attempts and self.ids is None:
            message = (
                f"the partner does not have it after {lead.attempts} attempts: a person decides"
            )
            return Outcome(lead.id, "failed", "absent", now, message)
        message = (
            "the partner does not have it" if self.partner.can_list else "sent by the same key"
        )
        return Outcome(lead.id, "retrying", "absent", now, message, next_attempt_at=now)

    def _send_all(self, pool: ThreadPoolExecutor) -> None:
        """Keep the threads busy: the next leads are claimed while the last ones are on their way."""
        # What was found absent a moment ago is due now.
        self.choice = replace(self.choice, now=self.clock())
        window = self.policy.concurrency * _AHEAD
        running: dict[Future[Sent | None], Claimed] = {}
        done: list[Answered] = []
        unsent: list[int] = []
        tried: set[int] = set()
        is_more = True
        try:
            while is_more or running or done or unsent:
                room = 1 if self.breaker.is_open else window
                if is_more and not running and self._reason_to_stop():
                    is_more = False
                wanted = 0 if not is_more or self._reason_to_stop() else room - len(running)
                claimed = self._exchanged(done, unsent, tried, wanted)
                is_more = is_more and (wanted <= 0 or bool(claimed))
                tried.update(lead.id for lead in claimed)
                running |= {
                    pool.submit(tracing.carried(self._send), lead): lead for lead in claimed
                }
                self._collect(running, done, unsent, window=window)
        except BaseException:
            self._keep_what_is_known(running, done)
            raise

    def _exchanged(
        self, done: list[Answered], unsent: list[int], tried: set[int], wanted: int
    ) -> list[Claimed]:
        """What was answered in, further leads out; both lists are empty when it is kept."""
        outcomes = [self._outcome(*answered) for answered in done]
        sent = sum(not lead.problem for lead, *_ in done)
        if not (outcomes or unsent or wanted > 0):
            return []
        try:
            claimed = self._turn(outcomes, unsent, self._untried(tried), wanted)
        except outbox.BROKEN_BY_DATA:
            self._enter(outcomes)
            done.clear()
            claimed = self._turn([], unsent, self._untried(tried), wanted)
        done.clear()
        unsent.clear()
        self._count(outcomes, sent=sent)
        return claimed

    def _keep_what_is_known(
        self, running: dict[Future[Sent | None], Claimed], done: list[Answered]
    ) -> None:
        """Wait for what is under way and keep its outcomes: else all of it would be `unknown`."""
        unsent: list[int] = []
        self._collect(running, done, unsent, window=0)
        with suppress(Exception):  # what stopped the delivery is what is told
            self._enter([self._outcome(*answered) for answered in done])

    def _turn(
        self, outcomes: Sequence[Outcome], unsent: Sequence[int], choice: Choice, wanted: int
    ) -> list[Claimed]:
        """One transaction: outcomes in, further leads out."""
        with self.warehouse.writing("delivery") as connection:
            outbox.record(connection, outcomes)
            until = self.breaker.until or self.clock()
            outbox.release(connection, unsent, now=self.clock(), until=until)
            changes = list(self.breaker.changes)
            breakers.keep_changes(connection, changes)
            claimed = (
                outbox.claim(connection, choice, limit=wanted, now=self.clock())
                if wanted > 0
                else []
            )
        self.breaker.forget_changes(len(changes))
        return claimed

    def _untried(self, tried: set[int]) -> Choice:
        """A chosen lead is sent once a delivery; a due one is not due again before its next time."""
        if self.ids is None:
            return self.choice
        return replace(self.choice, ids=[id_ for id_ in self.ids if id_ not in tried])

    def _collect(
        self,
        running: dict[Future[Sent | None], Claimed],
        done: list[Answered],
        unsent: list[int],
        *,
        window: int,
    ) -> None:
        """Wait until half of the window is free; without a window, until nothing runs any more."""
        while len(running) > (window // 2 if window and len(running) + len(done) >= window else 0):
            finished, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in finished:
                lead = running.pop(future)
                answered = self._result(future)
                if answered is None:
                    unsent.append(lead.id)
                else:
                    done.append((lead, *answered))
            if window and len(done) + len(unsent) >= window // 2:
                return

    def _result(self, future: Future[Sent | None]) -> Sent | None:
        """What a send gave; one that raised may have been taken, and takes no other's outcome with it."""
        error = future.exception()
        if error is None:
            return future.result()
        return _broken_off(error), self.clock()

    def _send(self, lead: Claimed) -> Sent | None:
        """One request; None if the breaker opened, or time ran out, before its turn."""
        if self.breaker.is_open and not (self.breaker.may_try(self.clock()) or self.ids):
            return None
        if self.is_stopped() or self.clock() >= self.until:
            return None
        if lead.problem is not None:
            return Verdict("refused", lead.problem), self.clock()
        try:
            verdict = self.partner.submit(lead.values, key=lead.key)
        except Exception as error:  # noqa: BLE001 - the breaker has to hear of it
            verdict = _broken_off(error)
        now = self.clock()
        self.breaker.note(verdict, now)
        return verdict, now

    def _outcome(self, lead: Claimed, verdict: Verdict, now: datetime) -> Outcome:
        try:
            return self._judged(lead, verdict, now)
        except Exception as error:  # noqa: BLE001 - one answer's trouble is that lead's alone
            message = f"what became of it could not be kept ({type(error).__name__})"
            later = now + self.policy.settle
            return Outcome(lead.id, "unknown", "unknown", now, message, next_attempt_at=later)

    def _judged(self, lead: Claimed, verdict: Verdict, now: datetime) -> Outcome:
        if verdict.meaning == "accepted":
            return Outcome(
                lead.id,
                "succeeded",
                "accepted",
                now,
                status=verdict.status,
                npa_lead_id=verdict.npa_lead_id,
                response=verdict.response,
            )
        message = scrubbed(verdict.message, lead.data)
        if verdict.meaning == "unknown":
            return Outcome(
                lead.id,
                "unknown",
                "unknown",
                now,
                message,
                verdict.status,
                next_attempt_at=now + self.policy.settle,
            )
        again = (
            None
            if verdict.meaning == "refused"
            else self.policy.next_attempt_at(lead.attempts, now=now, jitter=self.jitter())
        )
        if again is not None and verdict.retry_after:
            again = max(again, now + timedelta(seconds=verdict.retry_after))
        return Outcome(
            lead.id,
            "retrying" if again else "failed",
            verdict.meaning,
            now,
            message,
            verdict.status,
            next_attempt_at=again,
        )

    def _reason_to_stop(self) -> str | None:
        now = self.clock()
        reason = None
        if self.is_stopped():
            reason = "stopped by request"
        elif now >= self.until:
            reason = f"stopped after {self.seconds:.0f} s; the next run goes on"
        elif self.breaker.is_open and self.report.sent and not self.breaker.may_try(now):
            reason = self._resting()
        if reason:
            self.report = replace(self.report, stopped=reason)
        return reason

    def _resting(self) -> str:
        until = f"{self.breaker.until:%Y-%m-%d %H:%M:%S} UTC" if self.breaker.until else "a retry"
        return f"the circuit breaker is open until {until} ({self.breaker.reason})"

    def _count(self, outcomes: Sequence[Outcome], *, sent: int = 0, asked: int = 0) -> None:
        states = [outcome.state for outcome in outcomes]
        words = [outcome.outcome for outcome in outcomes]
        self.report = replace(
            self.report,
            sent=self.report.sent + sent,
            asked=self.report.asked + asked,
            succeeded=self.report.succeeded + states.count("succeeded"),
            found=self.report.found + words.count("found"),
            failed=self.report.failed + states.count("failed"),
            retrying=self.report.retrying + states.count("retrying") - self._resent(outcomes),
            unknown=self.report.unknown + states.count("unknown"),
            undecided=self.report.undecided + words.count("undecided"),
        )
        self.progress(self.report)

    @staticmethod
    def _resent(outcomes: Sequence[Outcome]) -> int:
        """Leads found absent: they are sent in this delivery, and counted by what becomes of them then."""
        return sum(o.outcome == "absent" and o.state == "retrying" for o in outcomes)


def _broken_off(error: BaseException) -> Verdict:
    """Sending raised something nobody expected: perhaps it was sent. Its words may be about the lead."""
    return Verdict("unknown", f"sending broke off ({type(error).__name__})")


def _text(value: object) -> str | None:
    return str(value).strip() or None if value is not None else None
