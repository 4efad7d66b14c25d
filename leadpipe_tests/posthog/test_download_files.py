"""Files of exports, fetched from the sandbox's store over HTTP: whole, or not at all."""

import logging
import resource
import shutil
import traceback
import tracemalloc
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

import leadpipe
from leadpipe.errors import (
    ConfigurationError,
    DeadlineExceeded,
    DiskFull,
    ExportGone,
    FileNotWhole,
    PostHogError,
    PostHogRefused,
)
from leadpipe.posthog import PostHog
from leadpipe.posthog.download_files import Fetched, fetch, span_of
from leadpipe.posthog.downloads import ExportState, Wanted
from leadpipe_tests.clocks import NOW, let_pass
from leadpipe_tests.posthog.builders import FakeClock, Script, client
from leadpipe_tests.posthog.test_downloads import WANTED, asked, connected, watched
from leadpipe_tests.posthog_sandbox.export_asking import event
from posthog_sandbox.process import SandboxProcess

_SECRETS = ("X-Amz", "Signature", "ASIASANDBOX")


@pytest.fixture
def posthog(sandbox: SandboxProcess) -> Iterator[PostHog]:
    """A client of the sandbox with a thousand events."""
    sandbox.control.insert(
        [event(number, properties={"n": f"{number * 2654435761:x}"}) for number in range(1000)]
    )
    with connected(sandbox) as found:
        yield found


@pytest.fixture
def export(posthog: PostHog) -> ExportState:
    """A complete export of one file."""
    (state,) = watched(posthog, asked(posthog))
    return state


def fetched(posthog: PostHog, export: ExportState, path: Path, **options: Any) -> Fetched:
    """The export's file, with waits that take no time."""
    clock = options.pop("clock", FakeClock())
    times = {"clock": clock, "sleep": clock.sleep}
    return fetch(posthog, export.id, export.files[0], path, **times, **options)


@pytest.fixture
def whole(posthog: PostHog, export: ExportState, tmp_path: Path) -> bytes:
    """The file's bytes, fetched without trouble."""
    path = tmp_path / "whole"
    fetched(posthog, export, path)
    return path.read_bytes()


class Pieces(httpx.SyncByteStream):
    """A body that comes piece by piece."""

    def __init__(self, *pieces: bytes) -> None:
        self._pieces = pieces

    def __iter__(self) -> Iterator[bytes]:
        yield from self._pieces


def sent(content: bytes) -> Callable[[httpx.Request], httpx.Response]:
    """A store's good answer."""
    length = {"content-length": str(len(content))}
    return lambda _: httpx.Response(200, headers=length, stream=Pieces(content))


def said_by_leadpipe_of(error: PostHogError) -> str:
    """The error's texts, with the variables of leadpipe's own functions that it went through."""
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    package = Path(leadpipe.__file__).parent
    ours = [frame for frame in frames if Path(frame.f_code.co_filename).is_relative_to(package)]
    assert ours
    return "\n".join([str(error), repr(error), *(repr(frame.f_locals) for frame in ours)])


def left_in(folder: Path) -> list[str]:
    """Names of files."""
    return sorted(path.name for path in folder.iterdir() if path.name != "whole")


def test_a_file_comes_without_the_key(sandbox, posthog, export, tmp_path):
    """Whole, under its name, in one request that knows nothing of PostHog."""
    path = tmp_path / "folder" / "one.parquet"
    found = fetched(posthog, export, path)
    assert found == Fetched(path, path.stat().st_size, requests=1, addresses=1)
    content = path.read_bytes()
    assert content[:4] == content[-4:] == b"PAR1"
    assert left_in(path.parent) == ["one.parquet"]
    (request,) = sandbox.control.store_requests()
    assert (request["has_authorization"], request["status"]) == (False, 200)
    assert sandbox.api_key not in str(request)


def test_what_was_there_is_replaced(posthog, export, whole, tmp_path):
    """Also what an earlier process left half done, which is not trusted."""
    path = tmp_path / "one"
    path.write_bytes(b"old")
    path.with_name("one.part").write_bytes(whole[:10])
    fetched(posthog, export, path)
    assert path.read_bytes() == whole
    assert left_in(tmp_path) == ["one"]


def test_a_transfer_that_breaks_off_goes_on(sandbox, posthog, export, whole, tmp_path):
    """From the byte where it was, and only if it is the same file."""
    sandbox.control.store_fault("cut", bytes=1000, times=3)
    clock = FakeClock()
    found = fetched(posthog, export, tmp_path / "one", clock=clock)
    assert (tmp_path / "one").read_bytes() == whole
    assert (found.requests, found.addresses) == (4, 1)
    ranges = [request["range"] for request in sandbox.control.store_requests()[1:]]
    assert ranges == [None, "bytes=1000-", "bytes=2000-", "bytes=3000-"]
    assert sandbox.control.store_requests()[2]["headers"]["if-match"].endswith('-1"')
    assert clock.sleeps == [0.5, 0.5, 0.5]


@pytest.mark.parametrize(
    ("kinds", "requests"),
    [
        (("no_range",), 2),
        (("changed",), 3),
        (("error_500", "slow_down_503", "page", "redirect"), 6),
    ],
)
def test_a_store_that_cannot_go_on_begins_anew(
    sandbox, posthog, export, whole, tmp_path, kinds, requests
):
    """Without ranges, or with another file by now; passing refusals are waited out."""
    sandbox.control.store_fault("cut", bytes=1000)
    for kind in kinds:
        sandbox.control.store_fault(kind, url=sandbox.url)
    found = fetched(posthog, export, tmp_path / "one")
    assert (tmp_path / "one").read_bytes() == whole
    assert found.requests == requests


def test_a_file_that_changes_meanwhile_is_never_mixed(sandbox, posthog, export, whole, tmp_path):
    """The first bytes are of one file, the rest would be of another: it begins anew."""
    sandbox.control.store_fault("changed")
    sandbox.control.store_fault("cut", bytes=1000)
    assert fetched(posthog, export, tmp_path / "one").requests == 1  # another ETag, and whole
    sandbox.control.clear_store_faults()
    sandbox.control.store_fault("cut", bytes=1000)
    sandbox.control.store_fault("changed", times=2)
    found = fetched(posthog, export, tmp_path / "two")
    assert found.requests == 3
    assert [one["status"] for one in sandbox.control.store_requests()[-3:]] == [200, 412, 200]
    assert (tmp_path / "two").read_bytes() == whole


def test_without_an_etag_a_transfer_begins_anew(sandbox, posthog, export, whole, tmp_path):
    """Nothing says that the rest would be of the same file."""
    sandbox.control.store_fault("no_etag")
    sandbox.control.store_fault("cut", bytes=1000)
    fetched(posthog, export, tmp_path / "one")
    script = Script(sent(whole))
    fetched(posthog, export, tmp_path / "two", transport=script)
    assert "range" not in script.requests[0].headers
    assert (tmp_path / "two").read_bytes() == whole


def test_a_length_is_wanted_or_chunks(sandbox, posthog, export, whole, tmp_path):
    """A body that only ends when the connection does may be cut; one in chunks may not."""
    sandbox.control.store_fault("no_length")
    fetched(posthog, export, tmp_path / "one")
    assert (tmp_path / "one").read_bytes() == whole

    script = Script(lambda _: httpx.Response(200, stream=Pieces(whole[:100])))
    with pytest.raises(FileNotWhole, match="did not say how long it is"):
        fetched(posthog, export, tmp_path / "two", transport=script)
    assert left_in(tmp_path) == ["one"]


def test_an_address_that_has_ended_is_asked_for_anew(
    sandbox: SandboxProcess, posthog: PostHog, export: ExportState, whole: bytes, tmp_path: Path
) -> None:
    """In the middle of a file, which goes on where it was."""
    sandbox.control.downloads(expires_seconds=60)
    sandbox.control.store_fault("cut", bytes=1000)
    clock = FakeClock()

    def sleep(seconds: float) -> None:
        clock.sleep(seconds)
        let_pass(61)

    path = tmp_path / "one"
    found = fetch(posthog, export.id, export.files[0], path, clock=clock, sleep=sleep)
    assert path.read_bytes() == whole
    assert (found.requests, found.addresses) == (3, 2)
    statuses = [request["status"] for request in sandbox.control.store_requests()[1:]]
    assert statuses == [200, 403, 206]


@pytest.mark.parametrize("kind", ["forbidden_403", "expired_token_400", "missing_404"])
def test_a_refused_address_may_only_have_ended(sandbox, posthog, export, tmp_path, kind):
    """S3 has several words for it; twice in a row is not the end yet."""
    sandbox.control.store_fault(kind, times=2)
    found = fetched(posthog, export, tmp_path / "one")
    assert (found.requests, found.addresses) == (3, 3)


def test_a_file_that_is_gone_is_told(sandbox, posthog, export, tmp_path):
    """By the store, three times in a row, or by PostHog at once: the export is asked for again."""
    sandbox.control.store_fault("missing_404", times=-1)
    with pytest.raises(ExportGone, match="Ask for the export again"):
        fetched(posthog, export, tmp_path / "one")
    assert len(sandbox.control.store_requests()) == 3
    sandbox.control.set_clock(NOW + timedelta(days=8))
    with pytest.raises(ExportGone, match="Ask for the export again"):
        fetched(posthog, export, tmp_path / "one")
    sandbox.control.forget_export(export.id)
    with pytest.raises(ExportGone, match="Ask for the export again"):
        fetched(posthog, export, tmp_path / "one")
    assert left_in(tmp_path) == []


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("forbidden_403", "the store refused its address with status 403"),
        ("error_500", "the store answered 500"),
        ("page", "the store answered with a web page"),
        ("redirect", "the store answered 302"),
        ("cut", "the connection failed"),
    ],
)
def test_a_file_that_does_not_come_is_given_up(sandbox, posthog, export, tmp_path, kind, words):
    """After attempts without a byte; nothing of it is left, and why is said."""
    sandbox.control.store_fault(kind, times=-1, bytes=0, url=sandbox.url)
    with pytest.raises(FileNotWhole, match=words) as caught:
        fetched(posthog, export, tmp_path / "one")
    assert caught.value.request_name == f"file {export.files[0]} of export {export.id}"
    assert len(sandbox.control.store_requests()) <= 6
    assert left_in(tmp_path) == []


def test_waits_grow_and_the_store_may_name_its_own(posthog, export, whole, tmp_path):
    """As S3 asks with `Retry-After`, else twice as long each time nothing came."""
    clock = FakeClock()
    busy = httpx.Response(503, headers={"retry-after": "7"})
    script = Script(busy, httpx.Response(500), httpx.ConnectError("refused"), sent(whole))
    fetched(posthog, export, tmp_path / "one", clock=clock, transport=script)
    assert clock.sleeps == [7.0, 2.0, 4.0]


def test_the_deadline_is_for_everything(sandbox, posthog, export, tmp_path):
    """Waiting that would go beyond it is not begun, and a store that drips is not waited for."""
    sandbox.control.store_fault("error_500", times=-1)
    clock = FakeClock()
    with pytest.raises(DeadlineExceeded, match=r"after 3 s, then the store answered 500"):
        fetched(posthog, export, tmp_path / "one", clock=clock, deadline_seconds=3)
    assert clock.sleeps == [1.0]
    sandbox.control.clear_store_faults()
    sandbox.control.store_fault("slow", bytes=10, seconds=0.05, times=-1)
    with pytest.raises(DeadlineExceeded, match=r"bytes were there after 0\.3 s"):
        fetch(posthog, export.id, export.files[0], tmp_path / "one", deadline_seconds=0.3)
    assert left_in(tmp_path) == []


def test_a_full_disk_is_one_line(sandbox, posthog, export, tmp_path, monkeypatch):
    """Before the first byte where the size is known, or at the byte that does not fit."""
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=100))
    with pytest.raises(DiskFull, match="has no room for one"):
        fetched(posthog, export, tmp_path / "one")
    monkeypatch.undo()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.raises(DiskFull, match="has no room for one"):
            fetched(posthog, export, tmp_path / "one")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert left_in(tmp_path) == []
    assert len(sandbox.control.store_requests()) == 2


def test_a_folder_that_cannot_be_written_to_is_told(posthog, export, tmp_path):
    """As a mistake in the settings, with the folder."""
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match=r"one cannot be written to .*file: "):
        fetched(posthog, export, tmp_path / "file" / "one")


def redirected(location: str, host: str = "https://eu.posthog.com") -> PostHog:
    """A PostHog that sends us there for a file."""
    return client(Script(httpx.Response(302, headers={"location": location})), host=host)


@pytest.mark.parametrize(
    "location",
    [
        "http://store.example/f?X-Amz-Signature=1",
        "ftp://store.example/f?X-Amz-Signature=1",
        "https://user:X-Amz-Signature@store.example/f",
        "/login?next=X-Amz-Signature",
        "https://[X-Amz-Signature/",
    ],
)
def test_an_address_that_others_can_read_is_not_followed(location, tmp_path):
    """Plain http, a login, a name and password: refused, and not shown."""
    export = ExportState("x", "Completed", ("f",))
    script = Script(sent(b"x"))
    with redirected(location) as posthog, pytest.raises(PostHogRefused) as caught:
        fetched(posthog, export, tmp_path / "one", transport=script)
    assert script.requests == []
    assert not [word for word in _SECRETS if word in said_by_leadpipe_of(caught.value)]


def test_an_answer_without_an_address_is_final(tmp_path):
    """A gateway that follows redirects by itself would bring the file into memory, again and again."""
    export = ExportState("x", "Completed", ("f",))
    script = Script(httpx.Response(200, content=b"PAR1"))
    with client(script) as posthog, pytest.raises(PostHogRefused, match="names no address"):
        fetched(posthog, export, tmp_path / "one")
    assert len(script.requests) == 1


def test_plain_http_is_for_a_posthog_behind_plain_http(tmp_path):
    """On one's own machine, as the sandbox's."""
    export = ExportState("x", "Completed", ("f",))
    script = Script(sent(b"abc"))
    location = "http://store.example/f"
    with redirected(location, host="http://127.0.0.1:1") as posthog:
        fetched(posthog, export, tmp_path / "one", transport=script)
    assert (tmp_path / "one").read_bytes() == b"abc"
    assert "authorization" not in script.requests[0].headers


def test_an_address_is_in_no_log_message_or_error(sandbox, posthog, export, tmp_path, caplog):
    """With every logger at DEBUG: neither where PostHog sends us, nor what is asked of the store."""
    for name in (None, "httpx"):
        caplog.set_level(logging.DEBUG, logger=name)
    fetched(posthog, export, tmp_path / "one")
    said = [caplog.text]
    for kind in ("forbidden_403", "error_500", "cut"):
        sandbox.control.clear_store_faults()
        sandbox.control.store_fault(kind, times=-1, bytes=0)
        with pytest.raises(PostHogError) as caught:
            fetched(posthog, export, tmp_path / "two")
        said.append(said_by_leadpipe_of(caught.value))
    said.append(caplog.text)
    text = "\n".join(said)
    assert "batch-exports" in text  # requests are logged, without what opens them
    assert not [word for word in (*_SECRETS, sandbox.api_key) if word in text]


def test_a_file_takes_no_more_memory_than_a_piece(posthog, export, tmp_path):
    """Forty megabytes in pieces of one."""
    piece = b"x" * (1024 * 1024)

    length = {"content-length": str(40 * len(piece))}
    large = Pieces(*[piece] * 40)
    script = Script(lambda _: httpx.Response(200, headers=length, stream=large))
    tracemalloc.start()
    try:
        found = fetched(posthog, export, tmp_path / "one", transport=script)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert found.size == 40 * len(piece)
    assert peak < 8 * len(piece)


def test_the_span_of_an_export_is_in_the_names_of_its_files(sandbox, posthog, export):
    """So an export of which nothing else is known can be told, without fetching it."""
    assert span_of(posthog, export.id, export.files[0]) == (WANTED.start, WANTED.end)
    single = Wanted(NOW - timedelta(hours=3), NOW, max_size_mb=0)
    (state,) = watched(posthog, asked(posthog, single))
    assert span_of(posthog, state.id, state.files[0]) == (single.start, single.end)
    assert sandbox.control.store_requests() == []
    with redirected("https://store.example/other.parquet") as other:
        assert span_of(other, "x", "f") is None
