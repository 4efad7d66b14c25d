"""The suite on a lake with a local catalog: `pytest -p leadpipe_tests.on_a_lake`.

Every warehouse that would be a file is a lake beside that file: a catalog and a folder of Parquet.
"""

from dataclasses import replace

from leadpipe.places import Lake
from leadpipe.warehouse import Warehouse

_open = Warehouse._open


def _open_as_lake(self, opened):
    if self.lake is not None:
        return _open(self, opened)
    place = self.path.resolve()
    place.parent.mkdir(parents=True, exist_ok=True)
    place.touch()
    lake = Lake(f"{place}.ducklake", f"{place}.data/")
    return _open(replace(self, lake=lake), opened)


Warehouse._open = _open_as_lake  # type: ignore[method-assign]
