"""PostHog's endpoints about file download exports.

Belongs here: requests, answers and refusals. Does not belong here: runs (`file_downloads.py`), files
(`export_files.py`) and the store that hands them out (`file_store.py`).

Read in PostHog's source (products/batch_exports, its view of file downloads, November 2026), and followed:
fields and their defaults, what is refused in which words, the list of ids and states, newest first, a
hundred a page; a run that shows its state, its files in the order of their keys and its rows, never its
span; the redirect. The number that may run at once is a setting that is not public; how long an address
is good is another. The model `sessions` is PostHog's alone, `hogql` its closed beta.
"""

import uuid
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from posthog_sandbox.export_files import COMPRESSIONS, FileKind, Selection
from posthog_sandbox.file_downloads import ACTIVE, FAILED, DownloadRun
from posthog_sandbox.file_store import StoredFile
from posthog_sandbox.form import read_form
from posthog_sandbox.paging import asked_page, page_of
from posthog_sandbox.refusals import Refusal, invalid
from posthog_sandbox.world import World

_ACCEPTED = 202
_LONGEST = timedelta(weeks=1)
_MAX_SIZE_MB = 1024
_FORMATS = ("Parquet", "JSONLines")
_MODELS = ("events", "persons", "sessions", "hogql")
_PATH = "file_download_batch_exports"

Answer = Callable[[World, Request], Response]


def download_routes() -> list[Route]:
    """The endpoints, of projects and of environments, with and without the last slash."""
    endpoints: list[tuple[str, str, Answer, str]] = [
        ("GET", "", _listed, "batch_export:read"),
        ("GET", "/{run_id}", _shown, "batch_export:read"),
        ("GET", "/{run_id}/download", _downloaded, "batch_export:read"),
        ("GET", "/{run_id}/download/{part}", _downloaded, "batch_export:read"),
        ("POST", "/{run_id}/cancel", _cancelled, "batch_export:write"),
    ]
    routes = []
    for kind in ("projects", "environments"):
        for slash in ("/", ""):
            base = f"/api/{kind}/{{project_id}}/{_PATH}"
            routes.append(Route(f"{base}{slash}", _create, methods=["POST"]))
            routes += [
                Route(f"{base}{path}{slash}", _answering(answer, scope), methods=[method])
                for method, path, answer, scope in endpoints
            ]
    return routes


def _answering(answer: Answer, scope: str) -> Callable[[Request], Any]:
    async def respond(request: Request) -> Response:
        world: World = request.app.state.world
        try:
            _check(world, request, scope)
            return answer(world, request)
        except Refusal as refusal:
            return refusal.response()

    return respond


def _check(world: World, request: Request, scope: str) -> None:
    world.access.check_key(request)
    world.access.check_project(request.path_params["project_id"])
    world.access.check_scope(scope)


async def _create(request: Request) -> Response:
    world: World = request.app.state.world
    try:
        _check(world, request, "batch_export:write")
        form = await read_form(request)
        selection, kind = _asked(form.fields, world.clock.now())
        team = world.context(in_utc=True).team_id
        run = world.downloads.begin(form.fields, replace(selection, team_id=team), kind)
    except Refusal as refusal:
        return refusal.response()
    if run is None:
        detail = (
            "The batch export failed to start. Check our status page for any ongoing incidents "
            "and try again later."
        )
        return JSONResponse({"detail": detail}, 500)
    return JSONResponse({"id": run.id}, _ACCEPTED)


def _listed(world: World, request: Request) -> Response:
    limit, offset = asked_page(request)
    runs = world.downloads.newest_first()
    shown = [{"id": run.id, "status": run.status} for run in runs[offset : offset + limit]]
    page = page_of(request, shown, has_more=offset + limit < len(runs))
    return JSONResponse({"count": len(runs), **page})


def _shown(world: World, request: Request) -> Response:
    run = _run(world, request)
    status, are_late = run.status, run.are_files_late
    world.downloads.look(run)
    more: dict[str, Any] = {}
    if status == "Completed":
        files = [] if are_late else [one.id for one in run.files]
        if not files and (run.rows or 0) > 0:
            status = "Running"
        else:
            more = {"files": files, "records_completed": run.rows}
    if run.error is not None:
        more["error"] = run.error
    return JSONResponse({"status": status, **more})


def _downloaded(world: World, request: Request) -> Response:
    run = _run(world, request)
    if run.status in ACTIVE:
        raise invalid("Batch export run is still in progress")
    if run.status in FAILED:
        raise invalid("Batch export run has failed")
    if run.status == "Cancelled":
        raise invalid("Batch export run was cancelled")
    stored = _file(run, request.path_params.get("part"))
    left = (stored.kept_until - world.clock.now()).total_seconds()
    if left < 0:
        raise invalid("This file download has expired")
    address = world.downloads.store.sign(stored, min(left, world.downloads.rules.expires_seconds))
    headers = {"Location": address, "Cache-Control": "no-store"}
    return Response(status_code=302, headers=headers, media_type="text/html")


def _cancelled(world: World, request: Request) -> Response:
    run = _run(world, request)
    if run.status not in ACTIVE:
        raise invalid(f"Cannot cancel a run that is in '{run.status}' status")
    world.downloads.cancel(run)
    return JSONResponse({"status": run.status})


def _run(world: World, request: Request) -> DownloadRun:
    return world.downloads.get(request.path_params["run_id"])


def _file(run: DownloadRun, part: str | None) -> StoredFile:
    files = [] if run.are_files_late else run.files
    missing = Refusal(404, "invalid_request", "not_found", "Not found.")
    try:
        wanted = str(uuid.UUID(part or ""))
    except ValueError:
        return _numbered(files, part)
    found = [one for one in files if one.id == wanted]
    if not found:
        raise missing
    return found[0]


def _numbered(files: list[StoredFile], part: str | None) -> StoredFile:
    try:
        number = int(part) if part is not None else 0
    except ValueError:
        raise invalid(f"Invalid file id or index: '{part}'") from None
    if not 0 <= number < len(files):
        raise Refusal(404, "invalid_request", "not_found", f"No files with index {number}")
    return files[number]


def _asked(body: Mapping[str, Any], now: datetime) -> tuple[Selection, FileKind]:
    """The run that a body asks for.

    Raises:
        Refusal: 400, in the order in which PostHog finds fault; 403 for its closed beta.
    """
    kind = _kind(body.get("file"), is_given="file" in body)
    model = _choice(body, "model", _MODELS, attr="model")
    include, exclude = _names(body, "include"), _names(body, "exclude")
    start, end = _moment(body, "data_interval_start"), _moment(body, "data_interval_end")
    if model == "hogql":
        detail = "HogQL batch exports are not enabled for this team."
        raise Refusal(403, "authentication_error", "permission_denied", detail)
    if body.get("hogql_query") is not None:
        raise invalid("'hogql_query' is only supported when 'model' is 'hogql'")
    if start is None or end is None:
        raise invalid(
            "'data_interval_start' and 'data_interval_end' are required. Provide both bounds."
        )
    _check_interval(start, end, now)
    if model == "sessions":
        raise invalid("The sandbox does not know the model 'sessions'; PostHog does.")
    of: Literal["events", "persons"] = "events" if model == "events" else "persons"
    if of == "persons":
        include, exclude = (), ()  # PostHog drops them without a word
    return Selection(of, start, end, include, exclude), kind


def _check_interval(start: datetime, end: datetime, now: datetime) -> None:
    if start > end:
        raise invalid("'data_interval_end' must occur after 'data_interval_start'")
    if end - start > _LONGEST:
        raise invalid("data interval range too big. Choose an interval of at most seven days.")
    for name, moment in (("data_interval_start", start), ("data_interval_end", end)):
        if moment > now:
            raise invalid(f"The provided '{name}' ({moment.isoformat()}) is in the future")


def _kind(file: object, *, is_given: bool) -> FileKind:
    if not is_given:
        raise invalid("This field is required.", attr="file", code="required")
    if not isinstance(file, dict):
        detail = f"Invalid data. Expected a dictionary, but got {type(file).__name__}."
        raise invalid(detail, attr="file")
    shape: Literal["Parquet", "JSONLines"] = "Parquet"
    if "format" in file and _choice(file, "format", _FORMATS, attr="file__format") != "Parquet":
        shape = "JSONLines"
    compression = None
    if file.get("compression") is not None:
        compression = _choice(file, "compression", COMPRESSIONS, attr="file__compression")
    return FileKind(shape, compression, _size(file.get("max_size_mb", _MAX_SIZE_MB)))


def _size(asked: object) -> int | None:
    if asked is None:
        return None
    try:
        size = int(str(asked))
    except ValueError:
        raise invalid("A valid integer is required.", attr="file__max_size_mb") from None
    if size < 0:
        detail = "Ensure this value is greater than or equal to 0."
        raise invalid(detail, attr="file__max_size_mb", code="min_value")
    return size


def _choice(body: Mapping[str, Any], name: str, choices: tuple[str, ...], *, attr: str) -> str:
    if name not in body:
        raise invalid("This field is required.", attr=attr, code="required")
    if body[name] not in choices:
        detail = f'"{body[name]}" is not a valid choice.'
        raise invalid(detail, attr=attr, code="invalid_choice")
    return str(body[name])


def _names(body: Mapping[str, Any], name: str) -> tuple[str, ...]:
    names = body.get(name, [])
    if not isinstance(names, list):
        detail = f'Expected a list of items but got type "{type(names).__name__}".'
        raise invalid(detail, attr=name, code="not_a_list")
    for number, one in enumerate(names):
        if not isinstance(one, str):
            raise invalid("Not a valid string.", attr=f"{name}__{number}")
        if not one.strip():
            raise invalid("This field may not be blank.", attr=f"{name}__{number}", code="blank")
    return tuple(names)


def _moment(body: Mapping[str, Any], name: str) -> datetime | None:
    if name not in body:
        return None
    try:
        moment = datetime.fromisoformat(str(body[name]))
    except ValueError:
        detail = (
            "Datetime has wrong format. Use one of these formats instead: "
            "YYYY-MM-DDThh:mm[:ss[.uuuuuu]][+HH:MM|-HH:MM|Z]."
        )
        raise invalid(detail, attr=name) from None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
