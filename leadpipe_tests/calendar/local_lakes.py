"""Makes every warehouse of a process a lake beside the file that it would be, for `leadpipe_tests.on_a_lake`.

A test's process and the programs it starts come by it through `sitecustomize`, so that all find the same
tables. `LEADPIPE_TESTS_ON_A_LAKE` names the folder of an empty lake that new ones are copied from.
"""

import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType

ON_A_LAKE = "LEADPIPE_TESTS_ON_A_LAKE"


class _Changing(MetaPathFinder):
    """Changes modules right after they were imported."""

    def __init__(self, changes: Mapping[str, Callable[[ModuleType], None]]) -> None:
        self._changes = changes

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Import as ever, then change."""
        spec = PathFinder.find_spec(name, path, target) if name in self._changes else None
        if spec is None or spec.loader is None:
            return None
        import_it = spec.loader.exec_module

        def exec_module(module: ModuleType) -> None:
            import_it(module)
            self._changes[name](module)

        spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec


def install() -> None:
    """Let whatever is imported from now on open lakes; a second time changes nothing."""
    if any(type(one).__name__ == _Changing.__name__ for one in sys.meta_path):
        return
    changes: Mapping[str, Callable[[ModuleType], None]] = {
        "leadpipe.settings": _settings,
        "leadpipe.warehouse.connection": _connection,
    }
    if early := [name for name in changes if name in sys.modules]:
        raise RuntimeError(f"{', '.join(early)} are imported already")
    sys.meta_path.insert(0, _Changing(changes))


def lake_beside(path: Path):
    """The lake in place of a warehouse's file."""
    from leadpipe.places import Lake  # noqa: PLC0415

    place = path.resolve()
    return Lake(f"{place}.ducklake", f"{place}.data/")


class _LakeOfEveryWarehouse:
    """The attribute `lake`: what was given, else the lake beside the file."""

    def __get__(self, warehouse, _=None):
        if warehouse is None:
            return None
        given, path = warehouse.__dict__["_given_lake"], warehouse.path
        if any(part.startswith((".backup-", ".migrated-", ".restore-")) for part in path.parts):
            return None  # an archive has a file, and so has what files are copied from
        # `replace(warehouse, path=…)` gives the old one's.
        is_made = given is None or str(given.catalog).endswith(".duckdb.ducklake")
        return lake_beside(path) if is_made else given

    def __set__(self, warehouse, value):
        warehouse.__dict__["_given_lake"] = value


def _settings(module: ModuleType) -> None:
    configured = module.Settings.lake.func
    module.Settings.lake = property(
        lambda settings: configured(settings) or lake_beside(settings.warehouse_path)
    )


def _connection(module: ModuleType) -> None:
    warehouse = module.Warehouse
    open_lake = warehouse._open_lake
    warehouse.lake = _LakeOfEveryWarehouse()

    def opened(self, lake):
        if not lake.is_shared and not Path(lake.catalog).exists():
            _copy_of_an_empty_one(lake, module)
        return open_lake(self, lake)

    warehouse._open_lake = opened


def _copy_of_an_empty_one(lake, module: ModuleType) -> None:
    """Make a lake with all its tables, which takes a second and more by migrations."""
    from leadpipe.places import Lake  # noqa: PLC0415

    empty = Path(os.environ[ON_A_LAKE]) / "lake"
    if not empty.exists():
        if os.environ.get("LEADPIPE_TESTS_MAKING_A_LAKE"):
            return
        os.environ["LEADPIPE_TESTS_MAKING_A_LAKE"] = "1"
        empty.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=empty.parent) as name:
            folder = Path(name) / "lake"
            made = Lake(f"{folder}/catalog", f"{folder}/data/")
            with module.Warehouse(folder / "none", lake=made).connect():
                pass
            try:
                folder.rename(empty)  # whole, or not at all
            except OSError:
                if not empty.exists():  # no other process was faster
                    raise
        del os.environ["LEADPIPE_TESTS_MAKING_A_LAKE"]
    copy_lake(empty, lake)


def copy_lake(empty: Path, lake) -> None:
    """Make a lake from the `catalog` and the `data` in a folder."""
    target = Path(lake.catalog)
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copytree(empty / "data", lake.data, dirs_exist_ok=True)
    part = target.with_name(f"{target.name}.{os.getpid()}")
    shutil.copy(empty / "catalog", part)
    import duckdb  # noqa: PLC0415

    with duckdb.connect(str(part)) as connection:
        connection.execute(
            "UPDATE ducklake_metadata SET value = ? WHERE key = 'data_path'", [lake.data]
        )
    part.replace(target)
