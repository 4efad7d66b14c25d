"""The questions of all domains: files that read well, and SELECTs that run anywhere and name nobody."""

import re

import pytest

from leadpipe.domains import HasPublished, parts
from leadpipe.errors import AnswerTooSlow, DomainMisfit, NotPublished
from leadpipe.published.questions import questions, read_question
from leadpipe.published.reading import first_rows
from leadpipe.published.tables import publish_tables
from leadpipe.warehouse import Rows
from leadpipe_tests.clocks import NOW

# Ids that may be an address or a number of somebody, and what was written about them.
_OF_A_PERSON = re.compile(
    r"seeker_id|lister_id|person_id|distinct_id|msisdn|phone_number|email_address|notes|lead_data"
)


def of_all(function):
    """Runs a test once for each question."""
    return pytest.mark.parametrize(
        "question", questions(), ids=lambda one: f"{one.domain}-{one.slug}"
    )(function)


@pytest.fixture
def published(warehouse, tmp_path):
    """Published tables without rows."""
    with warehouse.connect() as connection:
        publish_tables(connection, tmp_path / "published")
    return tmp_path / "published"


@of_all
def test_every_question_runs_without_personal_tables(question, published):
    """Where nothing has happened yet there is an answer, of tables that anybody may see."""
    rows = first_rows(published, question.sql, most_rows=5, seconds=60.0).rows
    assert rows.columns
    assert [name for name in rows.columns if _OF_A_PERSON.fullmatch(name)] == []


@of_all
def test_an_answer_depends_on_the_tables_alone(question):
    """No parameter, and an order: the same publication has one answer, in any tool."""
    assert "$" not in question.sql
    assert "ORDER BY" in question.sql
    assert len(question.title) <= 100


def test_no_question_is_asked_twice():
    """Titles are distinct, and there are enough of them."""
    titles = [question.title for question in questions()]
    assert len(set(titles)) == len(titles) >= 10


def test_a_file_opens_with_its_question():
    """A file that does not is named, with what should be there."""
    sql = "SELECT 1 AS one ORDER BY one"
    asked = read_question("leads", "ones", f"-- How many?\n-- One,\n-- always.\n{sql};\n")
    assert (asked.title, asked.note, asked.sql) == ("How many?", "One, always.", sql)
    with pytest.raises(DomainMisfit, match=r"leadpipe/leads/questions/ones\.sql should open"):
        read_question("leads", "ones", sql)


def test_personal_tables_are_not_there(warehouse, published):
    """A question that named one would get no answer."""
    with warehouse.connect() as connection:
        personal = {
            table.name.partition("/")[0]
            for _, part in parts(HasPublished)
            for table in part.published(connection, now=NOW)
            if table.is_personal
        }
    assert "succeeded_leads" in personal
    for table in personal:
        with pytest.raises(NotPublished):
            first_rows(published, f"SELECT * FROM {table}", most_rows=1, seconds=60.0)


def test_an_answer_is_cut_in_its_order(published):
    """The first rows come, in order, and it is said that there are more."""
    answer = first_rows(
        published, "SELECT range AS n FROM range(100000) ORDER BY n DESC", most_rows=2, seconds=60.0
    )
    assert (answer.rows, answer.is_cut) == (Rows(("n",), ((99_999,), (99_998,))), True)
    whole = first_rows(published, "SELECT 1 AS n -- all of it", most_rows=1, seconds=60.0)
    assert (whole.rows, whole.is_cut) == (Rows(("n",), ((1,),)), False)


def test_a_question_that_takes_too_long_is_stopped(published):
    """The one who asks is told, and the machine is free again."""
    endless = "SELECT count(*) FROM range(1000000000) AS a, range(1000000000) AS b"
    with pytest.raises(AnswerTooSlow, match=r"longer than 0\.2 seconds"):
        first_rows(published, endless, most_rows=1, seconds=0.2)
