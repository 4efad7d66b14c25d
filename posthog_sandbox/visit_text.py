"""Properties of what visitors do, as JSON text, many events at a time.

Belongs here: names, spellings and mistakes of properties of website events. Does not belong here:
server-side events (`server_events.py`) and who does what (`sessions.py`).

A row's JSON is the event's own part and the visit's part (device, session, campaign), put together.
"""

from collections.abc import Callable

import numpy as np
import pyarrow as pa

from posthog_sandbox import sessions as kind
from posthog_sandbox.catalogue import PAGES, Catalogue
from posthog_sandbox.identifiers import Numbers, chosen, joined, mixed, uuid7
from posthog_sandbox.population import Population
from posthog_sandbox.sessions import Visits

HOST = "www.example-homes.com.gh"
_SITE = f"https://{HOST}"
_CLICK_IDS = (
    *("gad_source", "mc_cid", "gclid", "gclsrc", "dclid", "gbraid", "wbraid", "fbclid", "msclkid"),
    *("twclid", "li_fat_id", "igshid"),
)
_NO_CLICK = ",".join(f'"{name}":null' for name in _CLICK_IDS)
_AGENTS = (
    ("Android", "Chrome", "Mobile", 146, 915, 412, "Linux; Android 14; SM-A057F"),
    ("iOS", "Mobile Safari", "Mobile", 19, 844, 390, "iPhone; CPU iPhone OS 19_1 like Mac OS X"),
    ("Android", "Chrome", "Mobile", 145, 800, 360, "Linux; Android 13; TECNO KI5q"),
    ("Windows", "Chrome", "Desktop", 146, 1080, 1920, "Windows NT 10.0; Win64; x64"),
    ("Android", "Opera", "Mobile", 88, 780, 360, "Linux; Android 12; Infinix X6515"),
    ("Mac OS X", "Safari", "Desktop", 19, 900, 1440, "Macintosh; Intel Mac OS X 10_15_7"),
    ("Windows", "Microsoft Edge", "Desktop", 144, 768, 1366, "Windows NT 10.0; Win64; x64"),
    ("Android", "Samsung Internet", "Mobile", 29, 854, 384, "Linux; Android 14; SM-S921B"),
    ("Linux", "Firefox", "Desktop", 150, 1080, 1920, "X11; Linux x86_64; rv:150.0"),
)
_CAMPAIGNS = (
    ("$direct", None, None, None),
    ("www.google.com", None, None, None),
    ("www.facebook.com", "facebook", "cpc", "nov"),
    ("l.instagram.com", "instagram", "social", "stories"),
    ("$direct", "whatsapp", "share", None),
    ("www.google.com", "google", "cpc", "homes-accra"),
    ("t.co", "twitter", "social", None),
    ("$direct", "newsletter", "email", "week-46 \\u2764"),
)
_CAMPAIGN_SHARES = (0.34, 0.24, 0.14, 0.09, 0.07, 0.06, 0.03, 0.03)
_PAGE_SHARES = (0.4, 0.2, 0.16, 0.05, 0.12, 0.04, 0.03)
_VIEWED_FROM = (
    '"viewed_from":"search",',
    '"viewed_from":"home",',
    '"viewed_from":"explore",',
    '"viewed_from":"direct",',
    '"viewed_from":"favourites",',
    '"viewed_from":null,',
    "",
)
_VIEWED_FROM_SHARES = (0.35, 0.2, 0.2, 0.15, 0.05, 0.02, 0.03)
_PLATFORMS = (
    *("whatsapp", "facebook", "copy_link", "twitter"),
    *("instagram", "email", "telegram", "linkedin"),
)
_PLATFORM_SHARES = (0.4, 0.2, 0.12, 0.08, 0.08, 0.05, 0.04, 0.03)
_SPELLINGS = ("listing_id", "listingId", "listing_uuid", "property_id")
_SPELLING_SHARES = (0.8, 0.08, 0.07, 0.05)
_LEAD_KINDS = ("phone", "message", "appointment", "website")
_LEAD_SHARES = (0.45, 0.35, 0.12, 0.08)
_MESSAGES = (
    '"message_type":"whatsapp",',
    '"message_type":"direct_message",',
    '"message_type":"email",',
    "",
    '"message_type":null,',
)
_MESSAGE_SHARES = (0.4, 0.3, 0.15, 0.12, 0.03)
_APPOINTMENTS = ("viewing", "video_tour", "call_back")
_UNIFIED_SHARE = 0.55
_PROFILE_SHARE = 0.06
_HOMELESS_SHARE = 0.012
_LOOSE_SHARE = 0.06
_TEXT_FLAG_SHARE = 0.02

_NAMES = {
    kind.PAGEVIEW: "$pageview",
    kind.VIEW: "property_view",
    kind.SOCIAL: "impression_social_media",
    kind.WEBSITE: "impression_website_visit",
    kind.SHARE: "impression_share",
    kind.SAVE: "impression_saved_listing",
    kind.LEAD: "lead",
    kind.IDENTIFY: "$identify",
    kind.SIGN_UP: "user_signed_up",
    kind.PAGELEAVE: "$pageleave",
    kind.SEARCH: "search_submitted",
}


class VisitText:
    """Names and properties of a part's visits."""

    def __init__(
        self,
        rng: np.random.Generator,
        visits: Visits,
        *,
        begins_ms: int,
        population: Population,
        catalogue: Catalogue,
    ) -> None:
        self._rng = rng
        self._visits = visits
        self._catalogue = catalogue
        count = len(visits.persons)
        words = rng.integers(0, 2**63, (4, count), dtype=np.int64).astype(np.uint64)
        started = begins_ms + visits.starts // 1000
        self._session_ids = uuid7(started, words[0], words[1])
        known = population.anonymous_ids(visits.persons).to_numpy(zero_copy_only=False)
        fresh = uuid7(started, words[2], words[3]).to_numpy(zero_copy_only=False)
        self._device_ids = pa.array(np.where(visits.is_new_device, fresh, known), pa.string())
        self._user_ids = population.user_ids(visits.persons)
        self._visit_parts = self._visit_text(population)
        self.distinct_ids = self._distinct_ids()

    def _distinct_ids(self) -> pa.StringArray:
        rows = pa.array(self._visits.sessions)
        both = pa.concat_arrays([self._device_ids, self._user_ids])
        offset = np.where(self._visits.is_known, len(self._device_ids), 0)
        return (
            both.take(pa.array(self._visits.sessions + offset)) if len(rows) else both.slice(0, 0)
        )

    def _visit_text(self, population: Population) -> pa.StringArray:
        persons = self._visits.persons
        devices = [
            f'"$os":"{os}","$browser":"{browser}","$device_type":"{device}","$browser_version":'
            f'{version},"$screen_height":{height},"$screen_width":{width},"$viewport_height":'
            f'{height - 80},"$viewport_width":{width},"$raw_user_agent":"Mozilla/5.0 ({agent}) '
            f'AppleWebKit/537.36 (KHTML, like Gecko) Version/{version}.0","$lib":"web",'
            '"$lib_version":"1.449.2","$browser_language":"en-GH",'
            for os, browser, device, version, height, width, agent in _AGENTS
        ]
        zones = ['"$timezone":"Africa/Accra",', '"$timezone":"Africa/Lagos",']
        campaigns = [
            f'"$referrer":"{_referrer(domain)}","$referring_domain":"{domain}",'
            f'"utm_source":{_json(source)},"utm_medium":{_json(medium)},'
            f'"utm_campaign":{_json(campaign)},"utm_content":null,"utm_term":null'
            for domain, source, medium, campaign in _CAMPAIGNS
        ]
        campaign = self._rng.choice(len(campaigns), len(persons), p=_CAMPAIGN_SHARES)
        return joined(
            *(chosen(devices, population.device(persons, len(devices))), '"$device_id":"'),
            *(self._device_ids, '","$session_id":"', self._session_ids, '",'),
            *(chosen(zones, population.utc_offset_hours(persons)), chosen(campaigns, campaign)),
        )

    def names(self) -> pa.StringArray:
        """Event names; leads come under four. To be asked after `properties`, which decides that."""
        count = int(max(_NAMES)) + 1
        options = [_NAMES[number] for number in range(count)]
        options += ["lead_phone", "lead_message", "lead_appointment"]
        return chosen(options, self._visits.kinds + self._lead_names)

    def properties(self, uuids: pa.StringArray) -> pa.StringArray:
        """JSON of each event; `uuids` are the events' own."""
        self._uuids = uuids
        self._lead_names = np.zeros(len(self._visits.kinds), np.int64)
        writers: dict[int, Callable[[Numbers], pa.StringArray]] = {
            kind.PAGEVIEW: self._pageview,
            kind.VIEW: self._view,
            kind.SOCIAL: lambda rows: self._impression(rows, "social_media"),
            kind.WEBSITE: lambda rows: self._impression(rows, "website_visit"),
            kind.SHARE: self._share,
            kind.SAVE: self._save,
            kind.LEAD: self._lead,
            kind.IDENTIFY: self._identify,
            kind.SIGN_UP: self._sign_up,
            kind.PAGELEAVE: self._pageview,
            kind.SEARCH: self._search,
        }
        places: list[Numbers] = []
        parts: list[pa.StringArray] = []
        for number, write in writers.items():
            rows = np.flatnonzero(self._visits.kinds == number)
            if len(rows):
                places.append(rows)
                parts.append(write(rows))
        if not parts:
            return pa.array([], pa.string())
        back = np.argsort(np.concatenate(places), kind="stable")
        own = pa.concat_arrays(parts).take(pa.array(back))
        visit = self._visit_parts.take(pa.array(self._visits.sessions))
        return joined("{", own, ",", visit, "}")

    def _pick(self, options: list[str], shares: tuple[float, ...], rows: Numbers) -> pa.StringArray:
        return chosen(options, self._rng.choice(len(options), len(rows), p=shares))

    def _listing(self, rows: Numbers) -> pa.StringArray:
        """`"listing_id":"…",` in one of its spellings, now and then as a number."""
        listings = self._visits.listings[rows]
        strict, loose = self._catalogue.json_ids, self._catalogue.loose_json_ids
        offset = np.where(self._rng.random(len(rows)) < _LOOSE_SHARE, len(strict), 0)
        ids = pa.concat_arrays([strict, loose]).take(pa.array(listings + offset))
        names = [f'"{name}":' for name in _SPELLINGS]
        return joined(self._pick(names, _SPELLING_SHARES, rows), ids, ",")

    def _lister(self, rows: Numbers) -> pa.StringArray:
        listings = self._visits.listings[rows]
        is_developer = self._catalogue.is_developer[listings].astype(np.int64)
        style = self._rng.choice(4, len(rows), p=(0.6, 0.25, 0.1, 0.05))
        options = [
            *('"lister_type":"agent","lister_id":"', '"lister_type":"developer","lister_id":"'),
            *('"agent_id":"', '"developer_id":"'),
            *('"lister_type":"agent","listerId":"', '"lister_type":"developer","listerId":"'),
            *('"lister_type":null,"lister_id":"', '"lister_type":null,"lister_id":"'),
        ]
        listers = self._catalogue.listers.take(pa.array(listings))
        return joined(chosen(options, style * 2 + is_developer), listers, '",')

    def _logged_in(self, rows: Numbers) -> pa.StringArray:
        known = self._visits.is_known[rows].astype(np.int64)
        style = np.where(self._rng.random(len(rows)) < _TEXT_FLAG_SHARE, 2, 0)
        style[self._rng.random(len(rows)) < _TEXT_FLAG_SHARE] = 4
        flags = [
            *('"is_logged_in":false', '"is_logged_in":true'),
            *('"is_logged_in":"false"', '"is_logged_in":"true"'),
            *('"is_logged_in":null', '"is_logged_in":null'),
        ]
        return chosen(flags, style + known)

    def _page(self, rows: Numbers) -> tuple[pa.StringArray, pa.StringArray]:
        """Path and title of the page that the event happens on."""
        listings = self._visits.listings[rows]
        pages = self._rng.choice(len(PAGES), len(rows), p=_PAGE_SHARES)
        catalogue = self._catalogue
        pick = pa.array(np.where(listings >= 0, listings, len(catalogue) + pages))
        return catalogue.paths.take(pick), catalogue.titles.take(pick)

    def _place(self, rows: Numbers) -> pa.StringArray:
        path, _ = self._page(rows)
        host = f'","$host":"{HOST}","$pathname":"'
        return joined(f'"$current_url":"{_SITE}', path, host, path, '"')

    def _pageview(self, rows: Numbers) -> pa.StringArray:
        path, title = self._page(rows)
        return joined(
            *(f'"$current_url":"{_SITE}', path, f'","$host":"{HOST}","$pathname":"', path),
            *('","title":"', title, '","$pageview_id":"', self._uuids.take(pa.array(rows))),
            *(f'",{_NO_CLICK},', self._identified(rows), f',"$session_entry_host":"{HOST}"'),
        )

    def _identified(self, rows: Numbers) -> pa.StringArray:
        flags = ['"$is_identified":false', '"$is_identified":true']
        return chosen(flags, self._visits.is_known[rows].astype(np.int64))

    def _view(self, rows: Numbers) -> pa.StringArray:
        viewed_from = self._pick(list(_VIEWED_FROM), _VIEWED_FROM_SHARES, rows)
        listing = self._listing(rows)
        lister = self._lister(rows)
        return joined(listing, viewed_from, lister, self._logged_in(rows), ",", self._place(rows))

    def _impression(self, rows: Numbers, source: str) -> pa.StringArray:
        listing = self._listing(rows)
        return joined(
            listing, f'"source":"{source}",', self._logged_in(rows), ",", self._place(rows)
        )

    def _share(self, rows: Numbers) -> pa.StringArray:
        options = [f'"platform":"{platform}",' for platform in _PLATFORMS]
        listing = self._listing(rows)
        platform = self._pick(options, _PLATFORM_SHARES, rows)
        return joined(listing, platform, self._logged_in(rows), ",", self._place(rows))

    def _save(self, rows: Numbers) -> pa.StringArray:
        actions = ['"action":"add",', '"action":"remove",', ""]
        listing = self._listing(rows)
        action = self._pick(actions, (0.8, 0.18, 0.02), rows)
        return joined(listing, action, self._logged_in(rows), ",", self._place(rows))

    def _lead(self, rows: Numbers) -> pa.StringArray:
        count = len(rows)
        what = self._rng.choice(len(_LEAD_KINDS), count, p=_LEAD_SHARES)
        is_unified = (self._rng.random(count) < _UNIFIED_SHARE) | (what == 3)  # noqa: PLR2004
        # The three older names follow the eleven kinds in the list of names.
        older = max(_NAMES) + 1 - kind.LEAD + what
        self._lead_names[rows] = np.where(is_unified, 0, older)
        types = [f'"lead_type":"{name}",' for name in _LEAD_KINDS] + [""]
        lead_type = chosen(types, np.where(is_unified, what, len(_LEAD_KINDS)))
        message = self._pick(list(_MESSAGES), _MESSAGE_SHARES, rows)
        appointments = [f'"appointment_type":"{name}",' for name in _APPOINTMENTS]
        appointment = chosen(appointments, self._rng.integers(0, len(appointments), count))
        nothing = chosen([""], np.zeros(count, np.int64))
        details = pa.concat_arrays([message, appointment, nothing])
        block = np.select([what == 1, what == 2], [0, count], 2 * count)  # noqa: PLR2004
        detail = details.take(pa.array(block + np.arange(count)))
        luck = self._rng.random(count)
        listing = self._listing(rows)
        profile = joined(
            '"context_type":"profile","profile_id":"',
            self._catalogue.listers.take(pa.array(self._visits.listings[rows])),
            '",',
        )
        on_listing = joined(listing, '"context_type":"listing",')
        lost = chosen(['"context_type":"listing","listing_id":null,'], np.zeros(count, np.int64))
        where = np.select(
            [luck < _HOMELESS_SHARE, luck < _HOMELESS_SHARE + _PROFILE_SHARE], [2, 1], 0
        )
        about = pa.concat_arrays([on_listing, profile, lost])
        context = about.take(pa.array(where * count + np.arange(count)))
        lister = self._lister(rows)
        seeker = self._seeker(rows)
        flag = self._logged_in(rows)
        return joined(lead_type, detail, context, lister, seeker, flag, ",", self._place(rows))

    def _seeker(self, rows: Numbers) -> pa.StringArray:
        """Present in one of two spellings, or left to the event's distinct id."""
        style = self._rng.choice(3, len(rows), p=(0.6, 0.1, 0.3))
        ids = self.distinct_ids.take(pa.array(rows))
        written = joined(chosen(['"seeker_id":"', '"seekerId":"', ""], style), ids, '",')
        absent = chosen([""], np.zeros(len(rows), np.int64))
        pick = np.arange(len(rows)) + np.where(style == 2, len(rows), 0)  # noqa: PLR2004
        return pa.concat_arrays([written, absent]).take(pa.array(pick))

    def _identify(self, rows: Numbers) -> pa.StringArray:
        devices = self._device_ids.take(pa.array(self._visits.sessions[rows]))
        email = self.distinct_ids.take(pa.array(rows))
        return joined(
            *('"$anon_distinct_id":"', devices, '","$set":{"email":"', email),
            *('@example.com"},"$set_once":{},', self._place(rows)),
        )

    def _sign_up(self, rows: Numbers) -> pa.StringArray:
        plans = ['"plan":"seeker",', '"plan":"developer",', '"plan":"agent",']
        plan = self._pick(plans, (0.86, 0.06, 0.08), rows)
        return joined(plan, '"method":"email","is_waitlist":true,', self._place(rows))

    def _search(self, rows: Numbers) -> pa.StringArray:
        words = ['"query":"3 bedroom",', '"query":"land \\"titled\\"",', '"query":"Accra 🌴",']
        query = self._pick(words, (0.5, 0.2, 0.3), rows)
        found = (mixed(rows, len(rows)) % np.uint64(90)).astype(np.int64)
        return joined(
            query, '"results":', pa.array(found).cast(pa.string()), ",", self._place(rows)
        )


def _json(text: str | None) -> str:
    return "null" if text is None else f'"{text}"'


def _referrer(domain: str) -> str:
    return domain if domain.startswith("$") else f"https://{domain}/"
