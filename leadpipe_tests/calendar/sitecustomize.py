"""Gives a Python process the clock of the tests that started it; Python imports this by its name.

`LEADPIPE_TESTS_SHIFT` is an offset to the true time in seconds, for a run under another date;
`LEADPIPE_TESTS_HELD_AT` is the moment at which a test holds its clock. Monotonic time stays true.
"""

import importlib
import os
import sys
import time
from collections.abc import Callable, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType


class _TrueTimeForGrpc(MetaPathFinder):
    """Leaves gRPC the true time: its Python side hands deadlines to C, which nothing shifts."""

    def __init__(self, true_time: Callable[[], float]) -> None:
        self._clock = ModuleType("time")
        self._clock.__dict__.update(vars(time) | {"time": true_time})

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Import a module of the package as ever, then give it its clock."""
        spec = PathFinder.find_spec(name, path, target) if name.startswith("grpc.") else None
        if spec is None or spec.loader is None:
            return None
        import_it = spec.loader.exec_module

        def exec_module(module: ModuleType) -> None:
            import_it(module)
            if getattr(module, "time", None) is time:
                module.time = self._clock  # type: ignore[attr-defined]

        spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec


def _travel() -> None:
    shift, held_at = (
        os.environ.get(name) for name in ("LEADPIPE_TESTS_SHIFT", "LEADPIPE_TESTS_HELD_AT")
    )
    if not shift and not held_at:
        return
    without_pytest = "pytest" not in sys.modules
    if without_pytest:
        sys.modules["pytest"] = None  # type: ignore[assignment]  # half a second in every process
    try:
        import time_machine  # noqa: PLC0415
    finally:
        if without_pytest:
            del sys.modules["pytest"]
    time_machine.__doc__ = "PYTEST_DONT_REWRITE"  # pytest warns of plugins that are there before it
    sys.meta_path.insert(0, _TrueTimeForGrpc(time_machine.escape_hatch.time.time))
    if shift:
        _shift(time_machine, float(shift))
    if held_at:
        time_machine.travel(held_at, tick=False).start()


def _shift(time_machine: object, seconds: float) -> None:
    """Run ahead of the true time by exactly so many seconds, so that all processes agree."""
    from datetime import timedelta  # noqa: PLC0415

    true_ns = time_machine.escape_hatch.time.time_ns  # type: ignore[attr-defined]
    traveller = time_machine.travel(time.time() + seconds, tick=True).start()  # type: ignore[attr-defined]
    is_ahead = (time.time_ns() - true_ns()) / 1e9
    traveller.shift(timedelta(seconds=seconds - is_ahead))


_travel()
if os.environ.get("LEADPIPE_TESTS_ON_A_LAKE"):  # a test's process reads it later: `on_a_lake.py`
    importlib.import_module("local_lakes").install()
