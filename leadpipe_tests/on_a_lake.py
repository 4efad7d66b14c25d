"""The suite on a lake with a local catalog: `pytest -p leadpipe_tests.on_a_lake`.

Every warehouse that would be a file is a lake beside that file, in this process and in programs that tests
start: a catalog and a folder of Parquet. Tests of the file itself are marked `file_only`, and are left out;
so are those that make lakes of their own, which are no other here.
"""

import atexit
import os
import shutil
import tempfile
from typing import Any

import hypothesis
import pytest

from leadpipe_tests.calendar import local_lakes

if not os.environ.get(local_lakes.ON_A_LAKE):  # a worker's parent has made it
    os.environ[local_lakes.ON_A_LAKE] = tempfile.mkdtemp(prefix="leadpipe-empty-lake-")
    atexit.register(shutil.rmtree, os.environ[local_lakes.ON_A_LAKE], ignore_errors=True)
local_lakes.install()

_EXAMPLES = 5
_OWN_LAKES = {"postgres", "lake", "kept", "behind_a_proxy"}
"""Fixtures of tests that make lakes of their own."""
_LEFT_OUT = pytest.StashKey[int]()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what is about the file or has lakes of its own, and say how much that is."""
    left_out = [item for item in items if _is_left_out(item)]
    items[:] = [item for item in items if not _is_left_out(item)]
    config.hook.pytest_deselected(items=left_out)
    config.stash[_LEFT_OUT] = len(left_out)
    if hasattr(config, "workeroutput"):
        config.workeroutput["left_out"] = len(left_out)
    for item in items:
        _take_few_examples(getattr(item, "obj", None))


def _is_left_out(item: pytest.Item) -> bool:
    has_own = not _OWN_LAKES.isdisjoint(getattr(item, "fixturenames", ()))
    return has_own or item.get_closest_marker("file_only") is not None


def _take_few_examples(test: object) -> None:
    """Each example of hypothesis costs a lake, and so does each step towards a smaller one."""
    test = getattr(test, "__func__", test)
    used = getattr(test, "_hypothesis_internal_use_settings", None)
    if used is not None:
        test._hypothesis_internal_use_settings = hypothesis.settings(  # type: ignore[attr-defined]
            used,
            max_examples=min(used.max_examples, _EXAMPLES),
            phases=(hypothesis.Phase.explicit, hypothesis.Phase.generate),
        )


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take a worker's count: each of them collects all tests, and the process that tells of them none."""
    if hasattr(node, "workeroutput"):  # one that crashed has none
        node.config.stash[_LEFT_OUT] = node.workeroutput["left_out"]


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Count aloud."""
    left_out = config.stash.get(_LEFT_OUT, 0)
    terminalreporter.write_line(
        f"ON A LAKE; {left_out} TESTS OF THE FILE ITSELF, OR WITH LAKES OF THEIR OWN, WERE LEFT OUT"
    )
