"""Events that servers and staff send: contacts logged, conversations, recharges, sales.

Belongs here: everything generated that is no visit to the website. Does not belong here: visits
(`sessions.py`, `visit_text.py`).
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from posthog_sandbox.catalogue import Catalogue
from posthog_sandbox.identifiers import Numbers, chosen, digits, joined, mixed, uuid4

SHARES = {"LeadUpdated": 0.012, "lead_captured": 0.008, "recharge": 0.03, "listing_sold": 0.004}
_SALT = 9_000
_SECOND = 1_000_000
_DAY = 86_400 * _SECOND
_LIB = '"$lib":"posthog-python","$lib_version":"7.91.1","$geoip_disable":true,"$is_server":true'
_OFFICE_HOURS = (8, 9, 10, 11, 12, 13, 14, 15, 16, 17)
_TENANTS = ("healingemeraldwellness", "exampletraining", "samplecollege")
_PROGRAMS = (
    ("hew-massage-therapy", "Massage Therapy"),
    ("hew-esthetics", "Esthetics"),
    ("practical-nursing", "Practical Nursing"),
)
_MET = '"contactOutcome":"conversation",'
_BRIEF = '"contactOutcome":"brief_contact",'
_MISSED = '"contactOutcome":"not_reached",'
_OUTCOMES = (
    f'{_MISSED}"notReachedReason":"try_again_later",',
    f'{_MISSED}"notReachedReason":"invalid_number",',
    f'{_BRIEF}"interestLevel":"curious","nextAction":"follow_up_later",',
    f'{_BRIEF}"interestLevel":"unsure","blocker":"timing",',
    f'{_MET}"interestLevel":"wants_to_proceed","nextAction":"visit_scheduled",',
    f'{_MET}"interestLevel":"not_interested","blocker":"price_uncertainty","nextAction":"no_followup",',
    f'{_MET}"interestLevel":"curious","blocker":"needs_visit","nextAction":"waiting_on_them",',
    '"contactOutcome":"shouted_at",',
)
_OUTCOME_SHARES = (0.22, 0.05, 0.2, 0.13, 0.17, 0.08, 0.14, 0.01)
_NOTES = (
    "",
    '"notes":"Will call back on Monday ",',
    '"notes":"Asked about fees  ",',
    '"notes":"Très intéressée 😊",',
    '"notes":"Said: \\"not before March\\"\\nSend brochure",',
)
_NOTE_SHARES = (0.4, 0.2, 0.15, 0.15, 0.1)
_LEADS_PER_TENANT = 180
_CARS = (("Toyota", "Corolla"), ("Honda", "CR-V"), ("Ford", "F-150"), ("Kia", "Sportage"))
_NAMES = ("Ada Example", "Ben Sample", "Chloé Specimen", "Dario O'Placeholder", "Eve Testperson")
_AMOUNTS = (100, 200, 500, 1000, 50, 1500, 2000, 5000, 150, 99)
_AMOUNT_SHARES = (0.24, 0.2, 0.18, 0.14, 0.05, 0.05, 0.05, 0.03, 0.04, 0.02)
_SUBSCRIBERS_PER_RECHARGE_POWER = 1.8


@dataclass(frozen=True)
class ServerEvents:
    """Events without a visit; offsets are microseconds since the block began."""

    names: pa.StringArray
    offsets: Numbers
    distinct_ids: pa.StringArray
    person_ids: pa.StringArray
    properties: pa.StringArray


def counts(rng: np.random.Generator, rows: int) -> dict[str, int]:
    """How many of each kind among so many events."""
    return {name: int(rng.binomial(rows, share)) for name, share in SHARES.items()}


def make_server_events(
    rng: np.random.Generator,
    wanted: dict[str, int],
    *,
    block_begins: int,
    total_events: int,
    catalogue: Catalogue,
    has_rhythm: bool,
) -> ServerEvents:
    """The wanted number of each kind.

    Args:
        rng: the part's.
        wanted: events of each name.
        block_begins: Unix microseconds.
        total_events: of the whole traffic; there are as many subscribers as suits it.
        catalogue: what can be sold.
        has_rhythm: whether offices close.
    """
    maker = _Maker(rng, block_begins, total_events, catalogue, has_rhythm=has_rhythm)
    makers: dict[str, Callable[[int], ServerEvents]] = {
        "LeadUpdated": maker.contacts,
        "lead_captured": maker.conversations,
        "recharge": maker.recharges,
        "listing_sold": maker.sales,
    }
    made = [makers[name](count) for name, count in wanted.items() if count]
    if not made:
        none = pa.array([], pa.string())
        return ServerEvents(none, np.zeros(0, np.int64), none, none, none)
    return ServerEvents(
        names=pa.concat_arrays([part.names for part in made]),
        offsets=np.concatenate([part.offsets for part in made]),
        distinct_ids=pa.concat_arrays([part.distinct_ids for part in made]),
        person_ids=pa.concat_arrays([part.person_ids for part in made]),
        properties=pa.concat_arrays([part.properties for part in made]),
    )


class _Maker:
    def __init__(
        self,
        rng: np.random.Generator,
        block_begins: int,
        total_events: int,
        catalogue: Catalogue,
        *,
        has_rhythm: bool,
    ) -> None:
        self._rng = rng
        self._begins = block_begins
        self._total = total_events
        self._catalogue = catalogue
        self._has_rhythm = has_rhythm

    def contacts(self, count: int) -> ServerEvents:
        """`LeadUpdated`: staff logged a contact."""
        rng = self._rng
        offsets = self._office_hours(count)
        tenant = rng.integers(0, len(_TENANTS), count)
        program = rng.integers(0, len(_PROGRAMS), count)
        lead = digits(rng.integers(1, _LEADS_PER_TENANT, count))
        tenants = chosen(list(_TENANTS), tenant)
        logged = self._iso(offsets - rng.integers(0, 4, count) * 250_000)
        cycle = chosen(["2026-09", "2027-01"], rng.integers(0, 2, count))
        properties = joined(
            *('{"leadId":"', tenants, "-lead-", lead, '",'),
            *(
                self._pick(_OUTCOMES, _OUTCOME_SHARES, count),
                self._pick(_NOTES, _NOTE_SHARES, count),
            ),
            *('"loggedAt":"', logged, '","tenant":"', tenants, '","cycleId":"cycle-', cycle),
            *('","cycleLabel":"Intake ', cycle, '",'),
            chosen([f'"programId":"{a}","programName":"{b}",' for a, b in _PROGRAMS], program),
            f"{_LIB}}}",
        )
        staff = rng.integers(1, 12, count)
        return self._events("LeadUpdated", offsets, joined("staff_", digits(staff)), properties)

    def conversations(self, count: int) -> ServerEvents:
        """`lead_captured`: an SMS or voice conversation ended with a lead."""
        rng = self._rng
        offsets = self._any_time(count)
        words = rng.integers(0, 2**63, (2, count), dtype=np.int64).astype(np.uint64)
        session = uuid4(words[0], words[1])
        number = digits(rng.integers(0, 10_000_000, count), 7)
        car = chosen(
            [f'"vehicle_make":"{make}","vehicle_model":"{model}",' for make, model in _CARS],
            rng.integers(0, len(_CARS), count),
        )
        email = joined('"email":"caller', number, '@example.com",')
        no_email = chosen(['"email":null,'], np.zeros(count, np.int64))
        with_email = np.arange(count) + np.where(rng.random(count) < 0.2, count, 0)  # noqa: PLR2004
        properties = joined(
            *('{"channel":"', chosen(["sms", "voice"], rng.integers(0, 2, count))),
            *('","session_id":"', session, '","full_name":"'),
            *(
                chosen(list(_NAMES), rng.integers(0, len(_NAMES), count)),
                '","phone":"+1555',
                number,
            ),
            *('",', pa.concat_arrays([email, no_email]).take(pa.array(with_email)), '"zip_code":"'),
            *(digits(rng.integers(10_000, 99_999, count)), '",', car, '"vehicle_year":'),
            *(digits(rng.integers(2009, 2027, count)), f",{_LIB}}}"),
        )
        return self._events("lead_captured", offsets, joined("+1555", number), properties)

    def recharges(self, count: int) -> ServerEvents:
        """`recharge`: airtime in naira, by phone number."""
        rng = self._rng
        offsets = self._any_time(count) // _SECOND * _SECOND  # the telco's clock has whole seconds
        subscribers = max(20, int(self._total * SHARES["recharge"] / 5))
        skewed = rng.random(count) ** _SUBSCRIBERS_PER_RECHARGE_POWER
        subscriber = (subscribers * skewed).astype(np.int64)
        msisdn = joined("234803555", digits(subscriber % 10_000, 4))
        amount = chosen(
            [str(a) for a in _AMOUNTS], rng.choice(len(_AMOUNTS), count, p=_AMOUNT_SHARES)
        )
        is_text = rng.random(count) < 0.03  # noqa: PLR2004
        quote = chosen(["", '"'], is_text.astype(np.int64))
        delay = (rng.exponential(900.0, count) * _SECOND).astype(np.int64)
        at = joined('"recharged_at":"', self._iso(offsets - delay), '",')
        named = joined('"msisdn":"', msisdn, '",')
        nothing = chosen([""], np.zeros(count, np.int64))
        first = np.arange(count)
        properties = joined(
            "{",
            self._maybe(named, nothing, first, 0.75),
            *('"amount":', quote, amount, quote, ',"currency":"NGN",'),
            self._maybe(at, nothing, first, 0.6),
            f"{_LIB}}}",
        )
        return self._events("recharge", offsets, msisdn, properties)

    def sales(self, count: int) -> ServerEvents:
        """`listing_sold`."""
        rng = self._rng
        offsets = self._office_hours(count)
        listings = self._catalogue.picks(rng, count)
        price = digits(rng.integers(40, 900, count) * 1000)
        listing = self._catalogue.json_ids.take(pa.array(listings))
        currency = chosen([',"currency":"USD",', ',"currency":"GHS",'], rng.integers(0, 2, count))
        lister = self._catalogue.listers.take(pa.array(listings))
        properties = joined('{"listing_id":', listing, ',"price":', price, currency, f"{_LIB}}}")
        return self._events("listing_sold", offsets, lister, properties)

    def _events(
        self, name: str, offsets: Numbers, distinct_ids: pa.StringArray, properties: pa.StringArray
    ) -> ServerEvents:
        names = chosen([name], np.zeros(len(offsets), np.int64))
        persons = _numbers_of(distinct_ids)
        ids = uuid4(mixed(persons, _SALT), mixed(persons, _SALT + 1))
        return ServerEvents(names, offsets, distinct_ids, ids, properties)

    def _any_time(self, count: int) -> Numbers:
        return (self._rng.random(count) * (_DAY - _SECOND)).astype(np.int64)

    def _office_hours(self, count: int) -> Numbers:
        if not self._has_rhythm:
            return self._any_time(count)
        hour = self._rng.choice(_OFFICE_HOURS, count) + self._rng.random(count)
        into_day = (hour * 3600 * _SECOND).astype(np.int64)
        offsets: Numbers = (into_day - self._begins) % _DAY
        return np.minimum(offsets, _DAY - _SECOND)

    def _pick(
        self, options: tuple[str, ...], shares: tuple[float, ...], count: int
    ) -> pa.StringArray:
        return chosen(list(options), self._rng.choice(len(options), count, p=shares))

    def _maybe(
        self, some: pa.StringArray, none: pa.StringArray, rows: Numbers, share: float
    ) -> pa.StringArray:
        is_none = self._rng.random(len(rows)) >= share
        return pa.concat_arrays([some, none]).take(pa.array(rows + np.where(is_none, len(rows), 0)))

    def _iso(self, offsets: Numbers) -> pa.StringArray:
        moments: npt.NDArray[np.datetime64] = (self._begins + offsets).astype("datetime64[us]")
        text = np.datetime_as_string(moments.astype("datetime64[ms]"))
        return joined(pa.array(text.astype(object), pa.string()), "Z")


def _numbers_of(texts: pa.StringArray) -> Numbers:
    """A number for each text, the same for the same text wherever it occurs."""
    dictionary = texts.dictionary_encode()
    values = [
        int.from_bytes(text.encode()[-8:], "big") for text in dictionary.dictionary.to_pylist()
    ]
    numbers = np.array(values, np.uint64).astype(np.int64)
    picked: Numbers = numbers[dictionary.indices.to_numpy()]
    return picked
