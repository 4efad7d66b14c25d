"""What machines in a cloud find there, on loopback: Google's object store, and metadata services with roles.

Belongs here: the part of Google's XML API that reading needs (lists in pages, objects by range and version),
tokens of service accounts and of a machine's role, access keys of a machine's or a container's role. Does not
belong here: S3 itself (`s3_server.py`), what lies in a bucket.

As Google documents it: lists are version 2 in name order, `start-after` is exclusive, a token signed by a
service account's key is as good as one from the metadata service, which answers only who says
`Metadata-Flavor: Google`. Of Amazon's metadata services there are the second version (a session token
first) and that of containers.
"""

import base64
import hashlib
import json
import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

import pytest

_MACHINE_TOKEN = "ya29.of-the-machine's-own-role"
_SESSION = "session-of-the-metadata-service"
_CONTAINER = "token-of-the-container"
_LONG = "2099-01-01T00:00:00Z"
_ACCOUNT = "leadpipe@tests.iam.gserviceaccount.com"


class _Key(NamedTuple):
    """An RSA key: the modulus, and its two prime factors."""

    n: int
    p: int
    q: int


_EXPONENT = 65_537


@dataclass
class Cloud:
    """A running server.

    Args:
        root: a folder for each bucket, whose files are its objects.
        page: objects of a list's page at most.
        rights: what accounts and machines may do, of `list` and `get`.
        role: access keys that a machine on Amazon has by its role; None for no role.
        requests: the paths and queries that were asked for, in order.
    """

    root: Path
    page: int = 1_000
    rights: set[str] = field(default_factory=lambda: {"list", "get"})
    role: tuple[str, str] | None = None
    requests: list[str] = field(default_factory=list)
    url: str = ""
    key: _Key = field(default_factory=lambda: _key(1), repr=False)

    @property
    def host(self) -> str:
        """Host and port."""
        return urlsplit(self.url).netloc

    def account(self, *, is_known: bool = True) -> str:
        """The key of a service account as Google gives it, as JSON; `is_known` or of another project."""
        return json.dumps(
            {
                "type": "service_account",
                "client_email": _ACCOUNT,
                "private_key_id": "1",
                "private_key": _pem(self.key if is_known else _key(2)),
            }
        )

    def knows(self, token: str) -> bool:
        """Whether a token is the machine's, or signed by the service account."""
        if token == _MACHINE_TOKEN:
            return True
        head, _, signature = token.rpartition(".")
        number = pow(int.from_bytes(_decoded(signature)), _EXPONENT, self.key.n)
        digest = hashlib.sha256(head.encode()).digest()
        return number.to_bytes(256).startswith(b"\x00\x01\xff") and number.to_bytes(256).endswith(
            digest
        )


@contextmanager
def running_cloud(root: Path) -> Iterator[Cloud]:
    """Serve folders as buckets, until left."""
    cloud = Cloud(root)
    handler = type("Handler", (_Handler,), {"cloud": cloud})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    cloud.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield cloud
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[Cloud]:
    """An empty one, with the bucket `exports`."""
    (tmp_path / "cloud" / "exports").mkdir(parents=True)
    with running_cloud(tmp_path / "cloud") as one:
        yield one


class _Handler(BaseHTTPRequestHandler):
    cloud: Cloud
    protocol_version = "HTTP/1.1"

    def do_PUT(self) -> None:
        """The session token of Amazon's metadata service."""
        self.cloud.requests.append(self.path)
        is_asked = bool(self.headers.get("x-aws-ec2-metadata-token-ttl-seconds"))
        if urlsplit(self.path).path == "/latest/api/token" and self.cloud.role and is_asked:
            self._answer(200, _SESSION.encode())
        else:
            self._answer(404, b"")

    def do_GET(self) -> None:
        self.cloud.requests.append(self.path)
        parts = urlsplit(self.path)
        if parts.path.startswith("/computeMetadata/"):
            self._google_metadata()
        elif parts.path.startswith(("/latest/", "/container/")):
            self._amazon_metadata(parts.path)
        else:
            self._store(parts.path, {key: one[0] for key, one in parse_qs(parts.query).items()})

    def _google_metadata(self) -> None:
        if self.headers.get("Metadata-Flavor") != "Google":
            return self._answer(403, b"Missing Metadata-Flavor:Google header.")
        return self._json({"access_token": _MACHINE_TOKEN, "expires_in": 3_599})

    def _amazon_metadata(self, path: str) -> None:
        if self.cloud.role is None:
            return self._answer(404, b"")
        key_id, secret = self.cloud.role
        keys = {
            "Code": "Success",
            "Type": "AWS-HMAC",
            "AccessKeyId": key_id,
            "SecretAccessKey": secret,
            "Token": "",
            "Expiration": _LONG,
            "LastUpdated": _LONG,
        }
        if path.startswith("/container/"):
            if self.headers.get("Authorization") != _CONTAINER:
                return self._answer(401, b"")
            return self._json(keys)
        if self.headers.get("x-aws-ec2-metadata-token") != _SESSION:
            return self._answer(401, b"")
        if path.endswith("/security-credentials/"):
            return self._answer(200, b"leadpipe-role")
        return self._json(keys)

    def _store(self, path: str, query: dict[str, str]) -> None:
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        bucket, _, key = unquote(path).lstrip("/").partition("/")
        folder = self.cloud.root / bucket
        if not token or not self.cloud.knows(token):
            self._error(401, "AuthenticationRequired", "Authentication required.")
        elif not folder.is_dir():
            self._error(404, "NoSuchBucket", "The specified bucket does not exist.")
        elif ("get" if key else "list") not in self.cloud.rights:
            self._error(403, "AccessDenied", f"{_ACCOUNT} does not have storage.objects access.")
        elif not key:
            self._list(folder, query)
        elif not (folder / key).is_file():
            self._error(404, "NoSuchKey", "The specified key does not exist.")
        else:
            self._get(folder / key)

    def _list(self, folder: Path, query: dict[str, str]) -> None:
        after = query.get("continuation-token") or query.get("start-after", "")
        keys = sorted(
            key
            for path in folder.rglob("*")
            if path.is_file()
            and (key := path.relative_to(folder).as_posix()) > after
            and key.startswith(query.get("prefix", ""))
        )
        page = keys[: self.cloud.page]
        contents = "".join(
            f"<Contents><Key>{escape(key)}</Key><ETag>&quot;{_e_tag(folder / key)}&quot;</ETag>"
            f"<LastModified>2026-11-21T12:00:00.000Z</LastModified>"
            f"<Size>{(folder / key).stat().st_size}</Size></Contents>"
            for key in page
        )
        more = len(keys) > len(page)
        token = f"<NextContinuationToken>{escape(page[-1])}</NextContinuationToken>" if more else ""
        self._answer(
            200,
            f"<?xml version='1.0' encoding='UTF-8'?><ListBucketResult>{contents}{token}"
            f"<IsTruncated>{str(more).lower()}</IsTruncated></ListBucketResult>".encode(),
        )

    def _get(self, path: Path) -> None:
        content, e_tag = path.read_bytes(), f'"{_e_tag(path)}"'
        if self.headers.get("If-Match", e_tag) != e_tag:
            return self._error(412, "PreconditionFailed", "A precondition did not hold.")
        headers = {"ETag": e_tag, "Last-Modified": formatdate(0, usegmt=True)}
        asked = self.headers.get("Range", "").removeprefix("bytes=")
        if not asked or not content:
            return self._answer(200, content, **headers)
        first, _, last = asked.partition("-")
        piece = content[int(first) : int(last) + 1 if last else None]
        until = int(first) + len(piece) - 1
        headers["Content-Range"] = f"bytes {first}-{until}/{len(content)}"
        return self._answer(206, piece, **headers)

    def _json(self, body: dict[str, Any]) -> None:
        self._answer(200, json.dumps(body).encode(), **{"Content-Type": "application/json"})

    def _error(self, status: int, code: str, message: str) -> None:
        self._answer(
            status, f"<Error><Code>{code}</Code><Message>{message}</Message></Error>".encode()
        )

    def _answer(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing: the requests are remembered."""


def _e_tag(path: Path) -> str:
    return hashlib.md5(path.read_bytes()).hexdigest()


def _key(seed: int) -> _Key:
    """A key of 2,048 bits, the same for the same seed: it protects nothing."""
    rng = random.Random(seed)
    p, q = _prime(rng), _prime(rng)
    return _Key(p * q, max(p, q), min(p, q))


def _prime(rng: random.Random) -> int:
    while True:
        number = rng.getrandbits(1_024) | (3 << 1_022) | 1
        if all(number % small for small in (3, 5, 7, 11, 13, 17, 19, 23, 29, 31)) and all(
            pow(base, number - 1, number) == 1 for base in (2, 3, 5, 7)
        ):
            return number


def _pem(key: _Key) -> str:
    """The key as PKCS #1 has it."""
    private = pow(_EXPONENT, -1, (key.p - 1) * (key.q - 1))
    numbers = (
        0,
        key.n,
        _EXPONENT,
        private,
        key.p,
        key.q,
        private % (key.p - 1),
        private % (key.q - 1),
        pow(key.q, -1, key.p),
    )
    inner = b"".join(_der(2, one.to_bytes(one.bit_length() // 8 + 1)) for one in numbers)
    text = base64.encodebytes(_der(0x30, inner)).decode()
    kind = "RSA PRIVATE KEY"
    return f"-----BEGIN {kind}-----\n{text}-----END {kind}-----\n"


def _der(tag: int, content: bytes) -> bytes:
    size = len(content)
    if size < 128:
        return bytes([tag, size]) + content
    length = size.to_bytes((size.bit_length() + 7) // 8)
    return bytes([tag, 0x80 | len(length)]) + length + content


def _decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


@pytest.fixture
def machine_on_google(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> Cloud:
    """This machine has a role there."""
    monkeypatch.setenv("GCE_METADATA_HOST", cloud.host)
    return cloud


@pytest.fixture
def machine_on_amazon(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> Cloud:
    """This machine may have one: `role`."""
    monkeypatch.setenv("AWS_METADATA_ENDPOINT", cloud.url)
    return cloud


@pytest.fixture
def container_on_amazon(cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cloud:
    """This machine is a container that may have one."""
    (tmp_path / "token").write_text(_CONTAINER)
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{cloud.url}/container/keys")
    monkeypatch.setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", str(tmp_path / "token"))
    return cloud
