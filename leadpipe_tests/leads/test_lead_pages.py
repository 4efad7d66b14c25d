"""The pages of leads over HTTP: views, changes, conflicts, undo, notes, export; nothing without a login."""

import csv
import html
import io
import re
import threading
from contextlib import ExitStack
from datetime import timedelta

import pytest
from pydantic import SecretStr
from starlette.testclient import TestClient

from leadpipe.web.app import create_app
from leadpipe_tests.clocks import NOW
from leadpipe_tests.events.builders import event, take_in
from leadpipe_tests.leads.builders import edits_of, publish, publish_leads, say, warehouse_of
from leadpipe_tests.security.accounts import csrf_of, light_hashes, log_in, with_people  # noqa: F401 - a fixture
from leadpipe_tests.web.fixtures import TOKEN, web_settings


@pytest.fixture
def browsers(tmp_path):
    """Several browsers on one application over seven published leads."""
    publish_leads(tmp_path)
    with ExitStack() as stack:
        app = create_app(web_settings(tmp_path), clock=lambda: NOW)

        def browser():
            return stack.enter_context(
                TestClient(app, client=("127.0.0.1", 50_000), base_url="http://localhost")
            )

        yield browser


@pytest.fixture
def page(browsers):
    """One of them."""
    return browsers()


def field(text, name):
    """The value of the first field of a name."""
    found = re.search(rf'name="{name}" value="([^"]*)"', text)
    assert found is not None
    return html.unescape(found[1])


def seekers(text):
    """Who is listed."""
    return re.findall(r"<small>([a-z]+(?:-\d+)?)</small></th>", text)


def chosen(text, *names):
    """What the check boxes before some seekers send."""
    boxes = re.findall(r'name="lead" value="([^"]+)" aria-label="[^"]* · ([^"]+)"', text)
    return [value for value, seeker in boxes if seeker in names]


def status_of(text):
    """The statuses that are listed, by seeker."""
    found = re.findall(r'class="status (\w+)" method="post" action="/leads/status"', text)
    return dict(zip(seekers(text), found, strict=True))


def set_status(page, value, *names, address="/leads", text=None, follow=True):
    """Tick leads on the page as it is, or was, and set their status."""
    text = page.get(address).text if text is None else text
    return page.post(
        "/leads/status",
        data={
            "csrf": field(text, "csrf"),
            "form": field(text, "form"),
            "back": field(text, "back"),
            "lead": chosen(text, *names),
            "status": value,
        },
        follow_redirects=follow,
    )


def test_the_address_is_the_view(page):
    """Filters of the address show on the page, its numbers and its links."""
    text = page.get("/leads?status=new&period=yesterday&sort=score").text
    assert seekers(text) == ["ama", "kofi", "esi"]
    assert 'aria-current="page">Unanswered, yesterday' in text
    assert "3 leads" in text
    assert 'href="/leads.csv?status=new&amp;period=yesterday&amp;sort=score"' in text


def test_a_change_shows_at_once_in_every_browser(browsers, tmp_path):
    """What one person changes the other sees at the next look; the view is kept."""
    mine, other = browsers(), browsers()
    answer = set_status(mine, "contacted", "ama", address="/leads?sort=score", follow=False)
    assert answer.status_code == 303
    assert answer.headers["location"].startswith("/leads?sort=score#lead-")
    assert status_of(other.get("/leads").text)["ama"] == "contacted"
    assert "1 lead called contacted." in mine.get("/leads").text
    assert "1 lead called contacted." not in mine.get("/leads").text
    [edit] = edits_of(tmp_path).edits()
    assert (edit.value, edit.author) == ("contacted", "127.0.0.1 without a login")


def test_a_change_waits_for_no_sync(page, tmp_path):
    """While something has the warehouse open for writing, edits are kept and shown all the same."""
    with warehouse_of(tmp_path).writing("leads") as connection:
        connection.execute("CREATE TABLE held (n INTEGER)")
        text = set_status(page, "qualified", "ama", "kofi").text
    assert {status_of(text)[name] for name in ("ama", "kofi")} == {"qualified"}


def test_a_change_outlives_the_next_publication(page, tmp_path):
    """A sync that publishes more leads shows them, with what was said before and after."""
    set_status(page, "lost", "ama")
    warehouse = warehouse_of(tmp_path)
    more = [event("lead_phone", NOW, listing_id="new-one", seeker_id="efua")]
    take_in(warehouse, warehouse.path.parent, more, run_id="run-2", now=NOW)
    publish(warehouse)
    set_status(page, "contacted", "efua")
    found = status_of(page.get("/leads").text)
    assert (found["ama"], found["efua"], found["kofi"]) == ("lost", "contacted", "new")


def test_somebody_was_faster(browsers, tmp_path):
    """A change of what one saw no more is not kept: who did what is shown, with both ways on."""
    mine, other = browsers(), browsers()
    seen = mine.get("/leads").text
    set_status(other, "contacted", "ama")
    answer = set_status(mine, "lost", "ama", "kofi", text=seen)
    assert answer.status_code == 409
    said = re.sub(r"<[^>]+>|\s+", " ", answer.text)
    said = re.sub(r"\s+", " ", said)
    assert "villa-accra-12 · ama : 127.0.0.1 without a login called it contacted just now" in said
    assert "your lost was not saved" in said
    assert "1 lead called lost." in said
    assert status_of(answer.text) | {"ama": "contacted", "kofi": "lost"} == status_of(answer.text)
    anyway = re.search(r'<div class="choices">(.*?)</form>', answer.text, re.DOTALL)
    assert anyway is not None
    fields = {name: field(anyway[1], name) for name in ("csrf", "form", "back", "status", "lead")}
    assert mine.post("/leads/status", data=fields).status_code == 200
    assert [edit.value for edit in edits_of(tmp_path).edits()] == ["contacted", "lost", "lost"]


def test_two_browsers_at_the_same_moment(browsers, tmp_path):
    """Of two that press on one version in one moment, one is kept and one is told."""
    clients = [browsers() for _ in range(2)]
    texts = [client.get("/leads").text for client in clients]
    answers: list[int] = []
    barrier = threading.Barrier(2)

    def press(client, text, value):
        barrier.wait()
        answers.append(set_status(client, value, "ama", text=text, follow=False).status_code)

    threads = [
        threading.Thread(target=press, args=(client, text, value))
        for client, text, value in zip(clients, texts, ("lost", "contacted"), strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == [303, 409]
    assert len(edits_of(tmp_path).edits()) == 1


def test_a_form_sent_again_changes_nothing(page, tmp_path):
    """A button pressed twice is one change."""
    text = page.get("/leads").text
    for _ in range(2):
        assert set_status(page, "lost", "ama", text=text).status_code == 200
    assert len(edits_of(tmp_path).edits()) == 1


def test_many_are_changed_and_undone_at_once(page, tmp_path):
    """One button for those ticked, and one to undo it: but not what somebody has changed since."""
    text = set_status(page, "lost", "ama", "kofi", "esi").text
    assert "3 leads called lost." in text
    say(tmp_path, chosen(text, "esi")[0].partition(":")[0], "qualified")
    undo = {name: field(text, name) for name in ("csrf", "batch", "back")}
    text = page.post("/leads/undo", data=undo).text
    assert "Undone: 2 changes. 1 stayed, as somebody has changed the same since." in text
    found = status_of(text)
    assert (found["ama"], found["kofi"], found["esi"]) == ("new", "new", "qualified")


def test_nothing_ticked_is_said(page):
    """The bulk button without a tick says what to do."""
    answer = set_status(page, "lost")
    assert (answer.status_code, "tick the boxes" in answer.text) == (400, True)


def lead_page(page, seeker="ama"):
    """The address of a seeker's lead."""
    return f"/leads/{chosen(page.get('/leads').text, seeker)[0].partition(':')[0]}"


def test_a_lead_shows_its_history(page):
    """Every action with its points, the touches and the sum, the latest first."""
    text = page.get(lead_page(page)).text
    points = re.findall(r"<strong>([\w ]+)</strong> <span class=\"points\">\+(\d+)", text)
    assert points == [("appointment", "40"), ("phone", "30"), ("whatsapp", "15")]
    assert "<dt>Score</dt><dd>85</dd>" in text
    assert text.count("<circle") == 6  # the line of time, wide and narrow
    assert "<h2" in text


def test_a_note_is_kept_shown_and_taken_back(page, tmp_path):
    """A note shows as it was typed, with who wrote it; undone it is there no more."""
    address = lead_page(page)
    text = page.get(address).text
    note = {
        "csrf": field(text, "csrf"),
        "form": field(text, "form"),
        "note": "Ask <b>Ben</b>\nat 10",
    }
    text = page.post(f"{address}/note", data=note).text
    assert "Ask &lt;b&gt;Ben&lt;/b&gt;\nat 10" in text
    assert "127.0.0.1 without a login wrote a note" in text
    undo = {name: field(text, name) for name in ("csrf", "batch", "lead")}
    text = page.post("/leads/undo", data=undo).text
    assert "Ask" not in text
    assert "(taken back)" in text
    assert len(edits_of(tmp_path).edits()) == 2


def test_a_note_that_cannot_be_kept_is_not_lost(page):
    """An empty note is refused; what was typed of one too long stays in its field."""
    address = lead_page(page)
    text = page.get(address).text
    note = {"csrf": field(text, "csrf"), "form": "f", "note": "x" * 10_001}
    answer = page.post(f"{address}/note", data=note)
    assert (answer.status_code, "A note has 1 to 10000 characters" in answer.text) == (400, True)
    assert "x" * 10_001 in answer.text


def test_a_status_of_a_lead_in_two_windows(browsers):
    """On the page of a lead, too, a stale status is shown and not kept."""
    mine, other = browsers(), browsers()
    address = lead_page(mine)
    text = mine.get(address).text
    set_status(other, "qualified", "ama")
    change = {name: field(text, name) for name in ("csrf", "form", "version")} | {"status": "lost"}
    answer = mine.post(f"{address}/status", data=change)
    assert (answer.status_code, "Call it lost anyway" in answer.text) == (409, True)
    forced = re.search(r'<div class="choices">(.*?)</form>', answer.text, re.DOTALL)
    assert forced is not None
    fields = {name: field(forced[1], name) for name in ("csrf", "form", "version", "status")}
    assert 'class="status lost"' in mine.post(f"{address}/status", data=fields).text


def test_an_unknown_lead_is_a_page_for_people(page):
    """A wrong address says so, with a way on; so does a change of a lead that is gone."""
    answer = page.get("/leads/0123456789ab")
    assert (answer.status_code, "There is no such lead" in answer.text) == (404, True)
    token = field(page.get("/leads").text, "csrf")
    change = {"csrf": token, "form": "f", "version": "", "status": "lost"}
    assert page.post("/leads/0123456789ab/status", data=change).status_code == 404


def test_the_export_is_the_view_and_safe(page, tmp_path):
    """All rows of the view, no formula among them; that it was exported is kept, without a name in it."""
    warehouse = warehouse_of(tmp_path)
    odd = [event("lead_phone", NOW, listing_id="=1+1", seeker_id="@evil")]
    take_in(warehouse, warehouse.path.parent, odd, run_id="run-2", now=NOW)
    publish(warehouse)
    set_status(page, "contacted", "ama")
    answer = page.get("/leads.csv?sort=score&score=30")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert [(row["seeker_id"], row["status"]) for row in rows][:2] == [
        ("ama", "contacted"),
        ("adwoa", "new"),
    ]
    assert {(row["listing_id"], row["seeker_id"]) for row in rows} >= {("'=1+1", "'@evil")}
    [act] = page.app.state.web.logins.acts(limit=1)
    assert act.what == f"exported {len(rows)} leads"


def test_before_the_first_sync_the_page_says_so(start):
    """Without anything published there is a page, and a way on."""
    answer = start().get("/leads")
    assert (answer.status_code, "No leads yet" in answer.text) == (200, True)


def test_a_change_needs_the_pages_own_token(page, tmp_path):
    """Another site's form changes nothing, and reveals nothing."""
    address = lead_page(page)
    for path in (
        "/leads/status",
        "/leads/undo",
        f"{address}/status",
        f"{address}/note",
        f"{address}/reveal",
    ):
        assert page.post(path, data={"csrf": "guess", "note": "x"}).status_code == 403
    assert edits_of(tmp_path).edits() == []


def test_a_login_is_wanted_and_leads_back_to_the_view(start):
    """In public mode nothing shows without a login; afterwards the view of the address is there."""
    page = start(is_public=True, admin_token=SecretStr(TOKEN), web_names="localhost")
    for path in ("/leads", "/leads.csv", "/leads/1", "/leads?status=new&sort=score"):
        answer = page.get(path, follow_redirects=False)
        assert answer.status_code == 303
    assert answer.headers["location"] == "/login?next=/leads%3Fstatus%3Dnew%26sort%3Dscore"
    assert "Leads" not in page.get("/login").text


def test_a_buttons_address_leads_to_its_page(page):
    """Who comes to it by GET, as after a login, is led to the page with the button."""
    address = lead_page(page)
    for path, target in {
        "/leads/status": "/leads",
        "/leads/undo": "/leads",
        f"{address}/note": address,
        f"{address}/reveal": address,
    }.items():
        answer = page.get(path, follow_redirects=False)
        assert (answer.status_code, answer.headers["location"]) == (303, target)


def test_another_page_of_many(tmp_path, browsers):
    """Fifty leads a page, each on one of them; a page that is not there leads back."""
    publish_leads(tmp_path, more=60)
    page = browsers()
    found = [seekers(page.get(f"/leads?page={number}").text) for number in (1, 2)]
    assert [len(each) for each in found] == [50, 17]
    assert len({*found[0], *found[1]}) == 67
    assert "There are only 2 pages" in page.get("/leads?page=9").text


def test_the_navigation_knows_where_one_is(page):
    """Every page leads to the others, and says which one it is."""
    assert '<a href="/leads" aria-current="page">Leads</a>' in page.get("/leads").text
    system = page.get("/admin/sync").text
    assert '<a href="/admin/sync" aria-current="page">System</a>' in system
    assert '<a href="/leads">Leads</a>' in system


@pytest.mark.usefixtures("light_hashes")
def test_a_viewer_reads_and_a_worker_changes(browsers, tmp_path):
    """Who only sees has no buttons and is refused; who works with leads is named beside the change."""
    with_people(tmp_path)
    viewer, worker = browsers(), browsers()
    log_in(viewer, "vera")
    log_in(worker, "walt")

    seen = viewer.get("/leads").text
    address = lead_page(worker)
    assert seekers(seen)
    for text in (seen, viewer.get(address).text):
        assert 'method="post" action="/leads' not in text
    csrf = csrf_of(viewer.get("/leads"))
    for path in ("/leads/status", "/leads/undo", f"{address}/note", f"{address}/reveal"):
        assert viewer.post(path, data={"csrf": csrf, "note": "x"}).status_code == 403
    assert edits_of(tmp_path).edits() == []

    assert set_status(worker, "contacted", "ama").status_code == 200
    assert [edit.author for edit in edits_of(tmp_path).edits()] == ["walt"]


def test_the_pages_say_whose_days_they_show_and_up_to_when(tmp_path):
    """Periods, moments and the list's age are of the team's zone, on the list and on a lead."""
    warehouse = publish_leads(tmp_path)
    with warehouse.connect() as connection:
        connection.execute(
            "UPDATE event_days SET read_until = $read", {"read": NOW - timedelta(hours=1)}
        )
    publish(warehouse)
    app = create_app(web_settings(tmp_path, alert_timezone="Africa/Lagos"), clock=lambda: NOW)
    with TestClient(app, client=("127.0.0.1", 50_000), base_url="http://localhost") as page:
        text = page.get("/leads?period=yesterday").text
        lead = page.get(re.findall(r'href="(/leads/[0-9a-f]{12})"', text)[0]).text
    for shown in (text, lead):
        known = re.sub("<time[^>]*>|</time>", "", shown)
        assert "As of 12:00; days are those of Africa/Lagos." in known
    assert "2026-11-20 17:00:00 Africa/Lagos" in text
    assert " UTC" not in text + lead
