"""File download exports: what the endpoints take, refuse and show, and the store behind them."""

from datetime import timedelta
from time import monotonic, sleep
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from leadpipe_tests.clocks import NOW
from leadpipe_tests.posthog_sandbox.asking import HTTP, refusal
from leadpipe_tests.posthog_sandbox.export_asking import (
    address,
    body_of,
    created,
    ended,
    event,
    exports,
)
from posthog_sandbox.process import SandboxProcess

_DAY = timedelta(days=1)
_SECOND = timedelta(seconds=1)
_FORMATS = (
    "Datetime has wrong format. Use one of these formats instead: "
    "YYYY-MM-DDThh:mm[:ss[.uuuuuu]][+HH:MM|-HH:MM|Z]."
)


def _wait_until_listed_as(sandbox: SandboxProcess, status: str) -> None:
    for _ in range(1000):
        if exports(sandbox).json()["results"][0]["status"] == status:
            return
        sleep(0.01)
    raise AssertionError(f"The newest run did not become {status}.")


def _future(name: str) -> str:
    return f"The provided '{name}' ({(NOW + _SECOND).isoformat()}) is in the future"


@pytest.mark.parametrize(
    ("fields", "code", "detail", "attr"),
    [
        ({"start": NOW, "end": NOW - _SECOND}, "invalid_input",
         "'data_interval_end' must occur after 'data_interval_start'", None),
        ({"start": NOW - timedelta(days=7, seconds=1)}, "invalid_input",
         "data interval range too big. Choose an interval of at most seven days.", None),
        ({"start": NOW + _SECOND, "end": NOW + _SECOND}, "invalid_input",
         _future("data_interval_start"), None),
        ({"end": NOW + _SECOND}, "invalid_input", _future("data_interval_end"), None),
        ({"data_interval_end": "soon"}, "invalid_input",
         _FORMATS, "data_interval_end"),
        ({"model": "event"}, "invalid_choice", '"event" is not a valid choice.', "model"),
        ({"file": {"format": "CSV"}}, "invalid_choice", '"CSV" is not a valid choice.',
         "file__format"),
        ({"file": {"compression": "zip"}}, "invalid_choice", '"zip" is not a valid choice.',
         "file__compression"),
        ({"file": {"max_size_mb": -1}}, "min_value",
         "Ensure this value is greater than or equal to 0.", "file__max_size_mb"),
        ({"file": {"max_size_mb": "a"}}, "invalid_input", "A valid integer is required.",
         "file__max_size_mb"),
        ({"file": None}, "invalid_input",
         "Invalid data. Expected a dictionary, but got NoneType.", "file"),
        ({"include": "e"}, "not_a_list", 'Expected a list of items but got type "str".', "include"),
        ({"include": [""]}, "blank", "This field may not be blank.", "include__0"),
        ({"hogql_query": "SELECT 1"}, "invalid_input",
         "'hogql_query' is only supported when 'model' is 'hogql'", None),
    ],
)  # fmt: skip
def test_what_cannot_be_exported_is_refused(
    sandbox: SandboxProcess, fields: dict[str, Any], code: str, detail: str, attr: str | None
) -> None:
    """400 in PostHog's words, with the field where there is one; nothing is started."""
    response = exports(sandbox, body=body_of(**fields))
    assert response.status_code == 400
    assert response.json() == {
        "type": "validation_error",
        "code": code,
        "detail": detail,
        "attr": attr,
    }
    assert sandbox.control.export_runs() == []


def test_both_bounds_are_wanted(sandbox: SandboxProcess) -> None:
    """They are optional fields, and are missed afterwards."""
    body = body_of()
    del body["data_interval_start"]
    detail = "'data_interval_start' and 'data_interval_end' are required. Provide both bounds."
    assert refusal(exports(sandbox, body=body))[2:] == ("invalid_input", detail)


def test_hogql_is_a_closed_beta(sandbox: SandboxProcess) -> None:
    """403 that names no scope."""
    code, detail = refusal(exports(sandbox, body=body_of(model="hogql")))[2:]
    assert (code, detail) == (
        "permission_denied",
        "HogQL batch exports are not enabled for this team.",
    )


def test_a_whole_week_and_an_empty_span_are_taken(sandbox: SandboxProcess) -> None:
    """Seven days are not too many, and a start may be the end."""
    assert ended(sandbox, created(sandbox, start=NOW - 7 * _DAY))["status"] == "Completed"
    assert ended(sandbox, created(sandbox, start=NOW))["files"] == []


@pytest.mark.parametrize(
    ("path", "body", "scope"),
    [
        ("", body_of(), "batch_export:write"),
        ("", None, "batch_export:read"),
        ("x/", None, "batch_export:read"),
        ("x/download/0/", None, "batch_export:read"),
        ("x/cancel/", {}, "batch_export:write"),
    ],
)
def test_the_key_needs_scopes(sandbox: SandboxProcess, path: str, body: object, scope: str) -> None:
    """Writing starts and cancels, reading is for the rest."""
    sandbox.control.scopes("query:read")
    detail = f"API key missing required scope '{scope}'"
    assert refusal(exports(sandbox, path, body=body))[0::3] == (403, detail)
    sandbox.control.scopes("batch_export:write")
    assert exports(sandbox, path, body=body).status_code != 403


def test_so_many_run_at_once(sandbox: SandboxProcess) -> None:
    """Another one is 429, of another kind than by rate, and without a word of how long to wait."""
    sandbox.control.downloads(at_once=2)
    sandbox.control.download_outcomes("lost", "lost")
    first, _ = created(sandbox), created(sandbox)
    response = exports(sandbox, body=body_of())
    detail = "Too many concurrent file download batch exports for this team."
    code = "too_many_concurrent_file_downloads"
    assert refusal(response) == (429, "server_error", code, detail)
    assert "retry-after" not in response.headers
    assert exports(sandbox, f"{first}/cancel/", body={}).json() == {"status": "Cancelled"}
    assert ended(sandbox, created(sandbox))["status"] == "Completed"


def test_the_list_tells_ids_and_states(sandbox: SandboxProcess) -> None:
    """Newest first, in pages, and nothing of what was asked for."""
    sandbox.control.insert([event()])
    sandbox.control.download_outcomes("Failed", error="ClickHouse said no")
    ids = [created(sandbox) for _ in range(3)]
    for one in ids:
        ended(sandbox, one)
    listed = exports(sandbox, params={"limit": 2}).json()
    assert listed["count"] == 3
    assert listed["results"] == [{"id": one, "status": "Completed"} for one in (ids[2], ids[1])]
    rest = HTTP.get(listed["next"], headers={"Authorization": f"Bearer {sandbox.api_key}"}).json()
    assert rest["results"] == [{"id": ids[0], "status": "Failed"}]
    assert rest["next"] is None


@pytest.mark.parametrize(
    ("status", "error"),
    [
        ("Failed", "ClickHouse said no"),
        ("FailedRetryable", "The store is away"),
        ("FailedBilling", "Over the billing limit"),
        ("Terminated", "An operator"),
        ("TimedOut", "Too long"),
        ("Cancelled", None),
    ],
)
def test_a_run_may_end_otherwise(sandbox: SandboxProcess, status: str, error: str | None) -> None:
    """Its state says how, `error` why; its files are refused, and it cannot be cancelled."""
    sandbox.control.download_outcomes(status, error=error)
    export = created(sandbox)
    assert ended(sandbox, export) == {"status": status, **({"error": error} if error else {})}
    what = "was cancelled" if status == "Cancelled" else "has failed"
    detail = f"Batch export run {what}"
    assert refusal(exports(sandbox, f"{export}/download/0/"))[3] == detail
    again = refusal(exports(sandbox, f"{export}/cancel/", body={}))
    assert again[3] == f"Cannot cancel a run that is in '{status}' status"


def test_files_of_a_running_export_are_refused(sandbox: SandboxProcess) -> None:
    """400, not 404: it is there, and is not ready."""
    sandbox.control.download_outcomes("lost")
    detail = "Batch export run is still in progress"
    assert refusal(exports(sandbox, f"{created(sandbox)}/download/0/"))[3] == detail


def test_a_run_counts_looks(sandbox: SandboxProcess) -> None:
    """So that a test knows how often it has to ask."""
    sandbox.control.insert([event()])
    sandbox.control.downloads(looks=3)
    export = created(sandbox)
    shown = [exports(sandbox, f"{export}/").json()["status"] for _ in range(3)]
    assert set(shown) <= {"Starting", "Running"}
    assert ended(sandbox, export)["status"] == "Completed"


def test_a_run_takes_its_time(sandbox: SandboxProcess) -> None:
    """So many seconds at least, and as long as its span has not settled by the server's clock."""
    sandbox.control.insert([event()])
    sandbox.control.downloads(seconds=0.2)
    began = monotonic()
    ended(sandbox, created(sandbox))
    assert monotonic() - began >= 0.2
    sandbox.control.downloads(settle_seconds=60)
    export = created(sandbox)
    sleep(0.1)
    assert exports(sandbox, f"{export}/").json() == {"status": "Running"}
    sandbox.control.set_clock(NOW + timedelta(seconds=60))
    assert ended(sandbox, export)["status"] == "Completed"


def test_files_may_be_listed_later_than_the_run_ends(sandbox: SandboxProcess) -> None:
    """It is shown as running then, but the list has its end already."""
    sandbox.control.insert([event()])
    sandbox.control.downloads(late_looks=2)
    export = created(sandbox)
    _wait_until_listed_as(sandbox, "Completed")
    assert [exports(sandbox, f"{export}/").json() for _ in range(2)] == [{"status": "Running"}] * 2
    assert len(exports(sandbox, f"{export}/").json()["files"]) == 1


def test_late_files_of_unknown_rows_look_like_none(sandbox: SandboxProcess) -> None:
    """PostHog waits for files only where it knows that there are rows."""
    sandbox.control.insert([event()])
    sandbox.control.downloads(late_looks=1, tells_rows=False)
    export = created(sandbox)
    assert ended(sandbox, export) == {
        "status": "Completed",
        "files": [],
        "records_completed": None,
    }
    assert len(ended(sandbox, export)["files"]) == 1


def test_a_run_that_fails_to_start_is_there(sandbox: SandboxProcess) -> None:
    """The answer is 500 without an id, and the list has a failed run."""
    sandbox.control.downloads(fails_to_start=1)
    response = exports(sandbox, body=body_of())
    assert response.status_code == 500
    assert [*response.json()] == ["detail"]
    (run,) = exports(sandbox).json()["results"]
    assert run["status"] == "Failed"
    assert exports(sandbox, f"{run['id']}/").json()["error"] == "Failed to start"


def test_a_run_can_be_lost(sandbox: SandboxProcess) -> None:
    """Unknown ids are 404, one that was known before as well."""
    export = created(sandbox)
    sandbox.control.forget_export(export)
    for path in (f"{export}/", "x/", "x/download/0/"):
        assert refusal(exports(sandbox, path))[::3] == (404, "Not found.")
    assert exports(sandbox, "x/cancel/", body={}).status_code == 404


def test_files_are_named_by_id_or_number(sandbox: SandboxProcess) -> None:
    """Or not at all, which is the first; what is neither is refused."""
    sandbox.control.insert([event()])
    export = created(sandbox)
    (file,) = ended(sandbox, export)["files"]
    paths = {urlsplit(address(sandbox, export, part)).path for part in (file, 0)}
    bare = exports(sandbox, f"{export}/download/").headers["location"]
    assert paths == {urlsplit(bare).path}
    assert refusal(exports(sandbox, f"{export}/download/1/"))[::3] == (
        404,
        "No files with index 1",
    )
    assert refusal(exports(sandbox, f"{export}/download/a/"))[3] == "Invalid file id or index: 'a'"
    assert exports(sandbox, f"{export}/download/{export}/").status_code == 404


def test_environments_are_the_older_path(sandbox: SandboxProcess) -> None:
    """And neither path needs its last slash."""
    assert exports(sandbox, kind="environments", body=body_of()).status_code == 202
    assert exports(sandbox, kind="environments").json()["count"] == 1
    export = created(sandbox)
    assert exports(sandbox, export).status_code == 200


@pytest.fixture
def where(sandbox: SandboxProcess) -> str:
    """The address of a file of a hundred events."""
    sandbox.control.insert([event(number) for number in range(100)])
    export = created(sandbox)
    ended(sandbox, export)
    return address(sandbox, export)


def _get(url: str, **headers: str) -> httpx.Response:
    return HTTP.get(url, headers=headers)


def test_the_store_is_another_host(sandbox: SandboxProcess, where: str) -> None:
    """It needs no key, and refuses whoever sends one, and tells of it."""
    assert urlsplit(where).netloc != urlsplit(sandbox.url).netloc
    whole = _get(where)
    assert (whole.status_code, whole.content[:4]) == (200, b"PAR1")
    refused = _get(where, authorization=f"Bearer {sandbox.api_key}")
    assert refused.status_code == 400
    assert "<Code>InvalidArgument</Code>" in refused.text
    assert [one["has_authorization"] for one in sandbox.control.store_requests()] == [False, True]


def test_the_store_honours_ranges(where: str) -> None:
    """From a byte on, between two, and not beyond the end; only of the file that is meant."""
    whole = _get(where)
    part = _get(where, range="bytes=10-", **{"if-match": whole.headers["etag"]})
    assert (part.status_code, part.content) == (206, whole.content[10:])
    size = len(whole.content)
    assert part.headers["content-range"] == f"bytes 10-{size - 1}/{size}"
    assert _get(where, range="bytes=2-3").content == whole.content[2:4]
    assert _get(where, range=f"bytes={size}-").status_code == 416
    assert _get(where, **{"if-match": '"another"'}).status_code == 412


def test_addresses_expire(sandbox: SandboxProcess) -> None:
    """403 with S3's words; a new one is good; a file that is gone has none."""
    sandbox.control.insert([event()])
    sandbox.control.downloads(expires_seconds=60, kept_seconds=100)
    export = created(sandbox)
    ended(sandbox, export)
    first = address(sandbox, export)
    sandbox.control.set_clock(NOW + timedelta(seconds=60))
    late = _get(first)
    assert late.status_code == 403
    assert "<Code>AccessDenied</Code><Message>Request has expired</Message>" in late.text
    assert _get(address(sandbox, export)).status_code == 200
    assert _get(first[:-1] + ("0" if first[-1] != "0" else "1")).status_code == 403
    sandbox.control.set_clock(NOW + timedelta(seconds=101))
    detail = "This file download has expired"
    assert refusal(exports(sandbox, f"{export}/download/0/"))[3] == detail


@pytest.mark.parametrize(
    ("kind", "status", "code"),
    [
        ("error_500", 500, "InternalError"),
        ("slow_down_503", 503, "SlowDown"),
        ("forbidden_403", 403, "AccessDenied"),
        ("expired_token_400", 400, "ExpiredToken"),
        ("missing_404", 404, "NoSuchKey"),
    ],
)
def test_the_store_refuses_as_s3_does(
    sandbox: SandboxProcess, where: str, kind: str, status: int, code: str
) -> None:
    """In XML, for as many requests as asked."""
    sandbox.control.store_fault(kind)
    refused = _get(where)
    assert refused.status_code == status
    assert f"<Code>{code}</Code>" in refused.text
    assert _get(where).status_code == 200


def test_transfers_go_wrong(sandbox: SandboxProcess, where: str) -> None:
    """Cut in the middle, without ranges, without ETag, of another file, a page, a redirect."""
    whole = _get(where).content
    sandbox.control.store_fault("cut", bytes=50)
    with pytest.raises(httpx.RemoteProtocolError, match="without sending complete"):
        _get(where)
    sandbox.control.store_fault("no_range")
    assert _get(where, range="bytes=10-").status_code == 200
    sandbox.control.store_fault("no_etag")
    assert "etag" not in _get(where).headers
    sandbox.control.store_fault("no_length")
    assert "content-length" not in _get(where).headers
    sandbox.control.store_fault("changed", times=2)
    assert _get(where).headers["etag"] == '"changed-1"'
    assert _get(where, range="bytes=1-").status_code == 206
    sandbox.control.store_fault("page")
    assert _get(where).headers["content-type"] == "text/html"
    sandbox.control.store_fault("redirect", url=sandbox.url)
    assert _get(where).headers["location"] == sandbox.url
    sandbox.control.store_fault("slow", bytes=1000, seconds=0.001)
    assert _get(where).content == whole


def test_a_reset_forgets_exports(sandbox: SandboxProcess, where: str) -> None:
    """Runs, files, addresses, faults and what reached the store."""
    sandbox.control.store_fault("error_500")
    sandbox.control.reset()
    assert exports(sandbox).json()["count"] == 0
    assert _get(where).status_code == 403
    assert len(sandbox.control.store_requests()) == 1
