"""The questions without a browser: who sees them, what they say, and that an answer is found once."""

import re
from html import unescape

import pytest

from leadpipe.errors import AnswerTooSlow
from leadpipe.published.questions import questions
from leadpipe.published.reading import Answer, first_rows
from leadpipe.warehouse import Rows
from leadpipe.web import questions as pages
from leadpipe_tests.web.builders import publish_some

ONE = "/questions/events/events-week-over-week"


def address(question):
    """Where the question is."""
    return f"{pages.QUESTIONS}/{question.domain}/{question.slug}"


def test_every_question_is_there(start):
    """The page lists all of them, by domain, each with the address of its own page."""
    text = unescape(start().get(pages.QUESTIONS).text)
    found = re.findall(r'<a href="(/questions/[^"]+)">([^<]+)</a>', text)
    assert found == [(address(question), question.title) for question in questions()]


def test_notes_show_code_as_code(start):
    """What stands between backticks in a file is code on the page."""
    assert "has one verdict; <code>leadpipe days</code> lists them." in (
        start().get(pages.QUESTIONS).text
    )


def test_a_question_has_its_sql_and_its_answer(start, tmp_path):
    """The SQL as it is in the file, the rows that it gives, and lines for a shell and for Python."""
    publish_some(tmp_path)
    page = start().get(ONE)
    [question] = [one for one in questions() if address(one) == ONE]
    assert page.status_code == 200
    text = unescape(page.text)
    assert f'<code id="sql">{question.sql}</code>' in text
    rows = re.findall(r"<tr><td>(\S+)</td><td class=\"n\">(\d+)</td>", text)
    assert rows == [
        ("property_view", "5"),
        ("$pageview", "2"),
        ("lead_phone", "2"),
        ("lead_message", "1"),
    ]
    assert "leadpipe tables --sql tables.sql\nduckdb -init tables.sql" in text
    assert f'frame = leadpipe.query("""\n{question.sql}\n""")' in text


@pytest.mark.parametrize("question", questions(), ids=address)
def test_every_question_has_a_page(start, tmp_path, question):
    """With something published and without, there is an answer or a word why there is none."""
    client = start()
    assert "Nothing is published yet" in client.get(address(question)).text
    publish_some(tmp_path)
    page = client.get(address(question)).text
    assert "<table " in page or "No rows" in page


def test_numbers_of_a_column_have_the_same_decimals():
    """As many as the longest of them, at most four, whole numbers none; what is missing is a dash."""
    rows = Rows(("rate", "part", "leads"), ((20.0, 1.0, 7), (30.77, 2.0, 1_000), (None, 3.0, 2)))
    shown = pages._shown(Answer("v1", rows, is_cut=False))
    assert [[text for text, _ in row] for row in shown["rows"]] == [
        ["20.00", "1", "7"],
        ["30.77", "2", "1,000"],
        ["–", "3", "2"],
    ]


def test_an_answer_is_found_once_a_publication(start, tmp_path, monkeypatch):
    """Who looks again gets what was found; what is published next is asked anew."""
    publish_some(tmp_path)
    asked = []

    def counted(*arguments, **options):
        asked.append(arguments)
        return first_rows(*arguments, **options)

    monkeypatch.setattr(pages, "first_rows", counted)
    client = start()
    texts = [client.get(ONE).text for _ in range(3)]
    assert (len(asked), len({*texts})) == (1, 1)
    publish_some(tmp_path, run_id="run-2")
    assert '<td class="n">10</td>' in client.get(ONE).text
    assert len(asked) == 2


def test_a_slow_answer_is_said(start, tmp_path, monkeypatch):
    """The page comes all the same, with the SQL and where to ask it."""
    publish_some(tmp_path)

    def slow(*arguments, **options):
        raise AnswerTooSlow("The answer took longer than 15 seconds.")

    monkeypatch.setattr(pages, "first_rows", slow)
    page = start().get(ONE)
    assert page.status_code == 200
    assert "took longer than 15 seconds. Ask it in a DuckDB shell" in page.text


def test_what_is_no_question_is_not_found(start):
    """A name that no domain has is 404, whatever is in it."""
    client = start()
    for name in ("events/none", "nobody/leads-by-hour", "events/..%2fsettings"):
        assert client.get(f"{pages.QUESTIONS}/{name}").status_code == 404


@pytest.mark.parametrize("path", [pages.QUESTIONS, ONE])
def test_only_who_is_logged_in_sees_them(client, start, path):
    """Others are sent to the login, and come back to it afterwards."""
    public = start(is_public=True, admin_token=client.app.state.web.admin_token)
    answer = public.get(path, follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, f"/login?next={path}")
