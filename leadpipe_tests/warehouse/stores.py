"""Lakes of each kind, and all that lies in their stores and catalogs: for tests of what is kept.

Belongs here: a lake on real servers, and looking into its bytes. Does not belong here: what is put there.
"""

import uuid
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import duckdb
import obstore
import psycopg
import pytest
from pydantic import SecretStr

from leadpipe.places import Lake, StoreKeys
from leadpipe.warehouse import Warehouse
from leadpipe_tests.calendar.local_lakes import copy_lake
from leadpipe_tests.lakes import put_in
from leadpipe_tests.s3_server import S3Bucket, _store, secret_of

KINDS = ("folder", "bucket")
"""A catalog in a file; one in PostgreSQL with its state apart and its data in a bucket. `shared` is that
with its data in a folder."""


@dataclass(frozen=True)
class Kept:
    """A lake, and its bytes.

    Args:
        warehouse: the lake.
        bucket: where its data is, if that is no folder.
        folder: for files of this test.
    """

    warehouse: Warehouse
    bucket: S3Bucket | None
    folder: Path

    @property
    def lake(self) -> Lake:
        """Where it is."""
        assert self.warehouse.lake is not None
        return self.warehouse.lake

    def objects(self) -> dict[str, bytes]:
        """Every object of the store."""
        if self.bucket is None:
            root = Path(self.lake.data)
            return {
                str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()
            }
        store = _store(self.bucket.endpoint, self.bucket.name)
        found = obstore.list(store).collect()
        return {str(one["path"]): self.bucket.get(str(one["path"])) for one in found}

    def files_with(self, word: str) -> list[str]:
        """Objects in which a word is, once each is decompressed: in its rows, its bounds or its bytes."""
        found = []
        for name, content in self.objects().items():
            copy = self.folder / f"{uuid.uuid4()}.parquet"
            copy.write_bytes(content)
            with duckdb.connect() as connection:
                rows = connection.execute(f"FROM '{copy}'").fetchall()
                bounds = connection.execute(f"FROM parquet_metadata('{copy}')").fetchall()
            if word in f"{rows} {bounds}" or word.encode() in content:
                found.append(name)
        return found

    def catalog_with(self, word: str) -> list[str]:
        """Tables of the catalog in which a word is; of a catalog in a file, its bytes."""
        if self.lake.postgres is None:
            files = Path(self.lake.catalog).parent.glob(f"{Path(self.lake.catalog).name}*")
            return [
                one.name for one in files if one.is_file() and word.encode() in one.read_bytes()
            ]
        found = []
        with psycopg.connect(self.lake.postgres) as connection:
            names = connection.execute(
                "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
            ).fetchall()
            for (name,) in names:
                if word in str(connection.execute(f'SELECT * FROM "{name}"').fetchall()):
                    found.append(name)
        return found


def make_kept(
    kind: str, request: pytest.FixtureRequest, folder: Path, *, is_made: bool = True
) -> Kept:
    """An empty lake of a kind; one that is not made has no tables, and nothing in its store."""
    path = folder / kind / "data" / "leadpipe.duckdb"
    path.parent.mkdir(parents=True)
    if kind == "folder":
        lake = Lake(f"{path.parent}/catalog.ducklake", f"{folder}/{kind}/files/")
        if is_made:
            copy_lake(request.getfixturevalue("empty_local_lake"), lake)
        return Kept(Warehouse(path, lock_timeout_seconds=5.0, lake=lake), None, folder)
    postgres = request.getfixturevalue("postgres")
    bucket: S3Bucket | None = None
    data, keys = f"{folder}/{kind}/files/", None
    put = put_in(Path(data))
    if kind == "bucket":
        bucket = request.getfixturevalue("s3_bucket")
        data = f"s3://{bucket.name}/lake/"
        keys = StoreKeys(
            "writer",
            SecretStr(secret_of("writer")),
            endpoint=urlsplit(bucket.endpoint).netloc,
            is_https=False,
        )
        put = partial(_put, bucket)
    if is_made:
        lake = request.getfixturevalue("empty_shared_lake").copy(postgres, data, put, keys)
        return Kept(Warehouse(path, lock_timeout_seconds=5.0, lake=lake), bucket, folder)
    lake = Lake(f"postgres:{postgres.new_database()}", data, keys, state=postgres.new_database())
    return Kept(Warehouse(path, lock_timeout_seconds=5.0, lake=lake), bucket, folder)


def _put(bucket: S3Bucket, name: str, content: bytes) -> None:
    bucket.put(f"lake/{name}", content)


@pytest.fixture(params=KINDS)
def kept(request: pytest.FixtureRequest, tmp_path: Path) -> Kept:
    """An empty lake of each kind."""
    return make_kept(request.param, request, tmp_path)
