"""Styles and scripts: an address that changes with what is in them, so that a browser asks for each once.

A browser that asks for every style again before it paints a page pays a round trip for each.
"""

import hashlib
import os
from functools import cache
from importlib.resources import files
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

PATH = "/static"
_FOLDER = Path(str(files("leadpipe.web") / "static"))
_KEPT = "public, max-age=31536000, immutable"
_ASKED_AGAIN = "no-cache"


class KeptFiles(StaticFiles):
    """The frame's files; what is asked for with its version is kept by browsers."""

    def __init__(self) -> None:
        super().__init__(directory=_FOLDER)

    def file_response(
        self,
        full_path: str | os.PathLike[str],
        stat_result: os.stat_result,
        scope: Scope,
        status_code: int = 200,
    ) -> Response:
        """A file, or that the browser has it, with how long it may keep it."""
        answer = super().file_response(full_path, stat_result, scope, status_code)
        answer.headers["Cache-Control"] = keeping(Request(scope))
        return answer


def keeping(request: Request) -> str:
    """How long a browser may keep a file: for good where the address has a version of it."""
    return _KEPT if request.query_params.get("v") else _ASKED_AGAIN


@cache
def static_path(name: str) -> str:
    """The address of a file of the frame (`page.css`), with its version."""
    return versioned(name, (_FOLDER / name).read_bytes())


def versioned(name: str, content: bytes) -> str:
    """The address of a file with that content."""
    return f"{PATH}/{name}?v={hashlib.sha256(content).hexdigest()[:12]}"
