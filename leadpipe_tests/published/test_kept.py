"""A connection that is kept: one a publication, never an old one, from any thread."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from leadpipe.errors import NotPublished
from leadpipe.published.kept import KeptPublication
from leadpipe.published.tables import publish_tables


@pytest.fixture
def kept(tmp_path):
    """A kept publication that counts how often it was prepared."""
    prepared: list[int] = []

    def prepare(ask):
        prepared.append(len(prepared))
        ask("CREATE TABLE own AS SELECT count(*) AS leads FROM grouped_leads")

    publication = KeptPublication(tmp_path / "published", prepare)
    yield publication, prepared
    publication.close()


def publish(warehouse, folder):
    """Publish what the warehouse has."""
    with warehouse.connect() as connection:
        publish_tables(connection, folder / "published")


def test_it_is_opened_once_a_publication(kept, warehouse, tmp_path):
    """Many questions, one preparation; another publication is read at the next question."""
    publication, prepared = kept
    publish(warehouse, tmp_path)
    for _ in range(3):
        with publication.reading() as ask:
            assert ask("SELECT leads FROM own").rows == ((0,),)
    assert prepared == [0]
    publish(warehouse, tmp_path)
    with publication.reading() as ask:
        assert ask("SELECT leads FROM own").rows == ((0,),)
    assert prepared == [0, 1]


def test_many_threads_ask(kept, warehouse, tmp_path):
    """Threads take turns, and each gets its own answer."""
    publication, prepared = kept
    publish(warehouse, tmp_path)

    def ask_for(number):
        with publication.reading() as ask:
            return ask("SELECT $n + leads FROM own", {"n": number}).rows[0][0]

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(ask_for, range(40))) == list(range(40))
    assert prepared == [0]


def test_nothing_published_is_said_and_then_read(kept, warehouse, tmp_path):
    """Before the first publication it is an error; after it there is no need to start anew."""
    publication, _ = kept
    with pytest.raises(NotPublished), publication.reading():
        raise AssertionError("nothing is there to read")
    publish(warehouse, tmp_path)
    with publication.reading() as ask:
        assert ask("SELECT leads FROM own").rows == ((0,),)
