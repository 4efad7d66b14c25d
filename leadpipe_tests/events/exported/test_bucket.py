"""Reaching a bucket: what is there, files whole or not at all, every refusal in one line without secrets."""

import threading
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from pydantic import SecretStr

from leadpipe.errors import (
    BucketError,
    BucketFileChanged,
    BucketRefused,
    BucketUnavailable,
    ConfigurationError,
    DiskFull,
)
from leadpipe.events.connecting import open_bucket
from leadpipe.events.exported import bucket as bucket_module
from leadpipe.events.exported.bucket import Bucket
from leadpipe.events.settings import EventsSettings
from leadpipe.settings import load_settings
from leadpipe_tests.s3_server import secret_of

_KEY = r"2026-11-21T10:00:00\+00:00-2026-11-21T11:00:00\+00:00\.parquet\.zst"
_NAME = "2026-11-21T10:00:00+00:00-2026-11-21T11:00:00+00:00.parquet.zst"


def opened(**settings):
    """The bucket of some settings."""
    return open_bucket(EventsSettings(_env_file=None, **settings), patience_seconds=10)


@pytest.fixture
def folder(tmp_path):
    """A folder that is a bucket."""
    path = tmp_path / "exports"
    path.mkdir()
    return path


def test_a_folder_is_a_bucket(folder, tmp_path):
    """Files below it, whatever the depth, each with a version; read where they are."""
    (folder / "events").mkdir()
    (folder / "events" / _NAME).write_bytes(b"12345")
    bucket = opened(bucket=f"file://{folder}")
    (stored,) = bucket.listing()
    assert (stored.key, stored.size) == (f"events/{_NAME}", 5)
    assert bucket.fetch(stored, tmp_path / "landing") == folder / "events" / _NAME
    assert bucket.read(stored, most_bytes=5) == b"12345"
    (folder / "events" / _NAME).write_bytes(b"123456")
    assert bucket.listing()[0].e_tag != stored.e_tag


def test_keys_count_from_the_prefix_in_a_bucket(s3_bucket, tmp_path):
    """Only what lies below the address is listed; a file is streamed to the landing folder, whole."""
    content = bytes(range(256)) * 40_000
    s3_bucket.put(f"exports/{_NAME}", content)
    s3_bucket.put("exports-of-others/x", b"1")
    bucket = opened(**s3_bucket.settings(prefix="exports"))
    (stored,) = bucket.listing()
    assert (stored.key, stored.size) == (_NAME, len(content))
    path = bucket.fetch(stored, tmp_path / "landing" / "run")
    assert path.read_bytes() == content
    assert [one.name for one in path.parent.iterdir()] == [_NAME]


def test_an_empty_object_is_fetched(s3_bucket, tmp_path):
    """A file without a byte is a file."""
    s3_bucket.put(_NAME, b"")
    bucket = opened(**s3_bucket.settings())
    assert bucket.fetch(bucket.listing()[0], tmp_path / "run").read_bytes() == b""


@pytest.mark.parametrize(
    ("change", "word"), [({"content": b"another"}, "written anew"), ({}, "gone")]
)
def test_a_file_that_changed_since_it_was_listed_is_not_taken(s3_bucket, tmp_path, change, word):
    """Neither half of a version nor of two: the next listing says what is there."""
    s3_bucket.put(_NAME, b"content")
    bucket = opened(**s3_bucket.settings())
    (stored,) = bucket.listing()
    if change:
        s3_bucket.put(_NAME, **change)
    else:
        s3_bucket.delete(_NAME)
    with pytest.raises(BucketFileChanged, match=word):
        bucket.fetch(stored, tmp_path / "run")


def test_a_file_that_does_not_fit_is_not_begun(s3_bucket, tmp_path, monkeypatch):
    """The disk is looked at first; the line says how much there is."""
    s3_bucket.put(_NAME, b"content")
    monkeypatch.setattr(bucket_module, "_SPARE_BYTES", 10**18)
    bucket = opened(**s3_bucket.settings())
    with pytest.raises(DiskFull, match=r"MB are free .* make room there"):
        bucket.fetch(bucket.listing()[0], tmp_path / "run")
    assert [*(tmp_path / "run").iterdir()] == []


def refusal(bucket):
    """What listing says."""
    with pytest.raises(BucketError) as raised:
        bucket.listing()
    return raised.value


@pytest.mark.parametrize(
    ("change", "kind", "said"),
    [
        ({"bucket_secret": "wrong-secret"}, BucketRefused, "LEADPIPE_BUCKET_SECRET is not"),
        ({"bucket_key_id": "whoever"}, BucketRefused, "does not know LEADPIPE_BUCKET_KEY_ID"),
        (
            {"bucket_key_id": "nobody", "bucket_secret": secret_of("nobody")},
            BucketRefused,
            "s3:ListBucket, s3:GetObject",
        ),
        ({"bucket": "s3://no-such-bucket/exports"}, BucketRefused, "there is no such bucket"),
        (
            {"bucket_endpoint": "http://127.0.0.1:1"},
            BucketUnavailable,
            "cannot be reached. Check the network and LEADPIPE_BUCKET_ENDPOINT",
        ),
    ],
)
def test_every_refusal_of_a_store_is_one_line_with_the_next_step(s3_bucket, change, kind, said):
    """Key, secret, rights, name, network: each is told apart, and no secret is in the line."""
    settings = s3_bucket.settings() | change
    error = refusal(opened(**settings))
    assert isinstance(error, kind)
    assert said in str(error)
    assert "\n" not in str(error)
    assert settings["bucket_secret"] not in str(error)
    assert settings["bucket"] in str(error)


def test_a_key_that_may_list_and_not_read_is_told_at_the_first_file(s3_bucket, tmp_path):
    """Both rights are needed; the line names the file and the rights."""
    s3_bucket.put(_NAME, b"content")
    bucket = opened(**s3_bucket.settings("lister"))
    (stored,) = bucket.listing()
    for reading in (
        lambda: bucket.fetch(stored, tmp_path / "run"),
        lambda: bucket.read(stored, most_bytes=100),
        lambda: bucket.probe(stored),
    ):
        with pytest.raises(BucketRefused, match=rf"could not read {_KEY}: its key lacks"):
            reading()


def on_google(cloud, **settings):
    """The bucket `exports` there, with an object."""
    path = cloud.root / "exports" / "posthog" / _NAME
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(bytes(range(256)) * 40)
    where = {"bucket": "gs://exports/posthog", "bucket_endpoint": cloud.url}
    return opened(**{**where, "bucket_secret": cloud.account(), **settings})


def test_google_s_store_is_a_bucket(cloud, tmp_path):
    """Listed in pages below its prefix, read in pieces, and a version that changed is told."""
    bucket = on_google(cloud)
    (cloud.root / "exports" / "other.parquet").write_bytes(b"1")
    for name in ("a", "b", "c"):
        (cloud.root / "exports" / "posthog" / name).write_bytes(name.encode())
    cloud.page = 2
    found = bucket.listing()
    assert [one.key for one in found] == [_NAME, "a", "b", "c"]
    assert len(cloud.requests) == 2
    assert bucket.read(found[1], most_bytes=1) == b"a"
    assert bucket.fetch(found[0], tmp_path / "run").read_bytes() == bytes(range(256)) * 40
    (cloud.root / "exports" / "posthog" / _NAME).write_bytes(b"anew")
    with pytest.raises(BucketFileChanged, match="written anew"):
        bucket.fetch(found[0], tmp_path / "run")
    (cloud.root / "exports" / "posthog" / "a").unlink()
    with pytest.raises(BucketFileChanged, match="it is gone"):
        bucket.fetch(found[1], tmp_path / "run")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"bucket_secret": "{}"}, "LEADPIPE_BUCKET_SECRET is the service account's key, as JSON."),
        ({"bucket": "gs://nowhere"}, "Correct LEADPIPE_BUCKET (gs://bucket/prefix)"),
        ({"bucket_secret": None}, "no key is set, and the machine's metadata service gives it no"),
    ],
)
def test_every_refusal_of_google_s_is_one_line(cloud, change, said):
    """As of the others: with its own settings' and rights' names, and no word of the key."""
    error = refusal(on_google(cloud, **change))
    assert isinstance(error, BucketRefused)
    assert said in str(error)
    assert "\n" not in str(error)


def test_google_s_service_account_is_told_when_it_is_unknown_or_lacks_rights(cloud, tmp_path):
    """By the names that Google has for them."""
    unknown = refusal(on_google(cloud, bucket_secret=cloud.account(is_known=False)))
    assert "does not know the service account of LEADPIPE_BUCKET_SECRET" in str(unknown)
    bucket = on_google(cloud)
    (stored,) = bucket.listing()
    cloud.rights -= {"get"}
    with pytest.raises(
        BucketRefused, match=r"storage\.objects\.get: the role Storage Object Viewer"
    ):
        bucket.fetch(stored, tmp_path / "run")


@pytest.mark.parametrize("kind", ["machine_on_amazon", "container_on_amazon"])
def test_without_a_key_the_role_of_the_machine_or_container_is_used(request, s3_bucket, kind):
    """Its metadata service is asked for keys; one that may not read is told as a role, not as a key."""
    cloud = request.getfixturevalue(kind)
    s3_bucket.put(_NAME, b"content")
    where = s3_bucket.settings()
    bucket = opened(bucket=where["bucket"], bucket_endpoint=where["bucket_endpoint"])
    cloud.role = ("reader", secret_of("reader"))
    (stored,) = bucket.listing()
    assert bucket.read(stored, most_bytes=100) == b"content"
    cloud.role = ("nobody", secret_of("nobody"))
    assert "the machine's role lacks the permission" in str(refusal(bucket))


def test_a_machine_without_key_and_role_is_told_both(s3_bucket, machine_on_amazon):
    """Which settings name a key, or what to give the machine; no metadata service's address."""
    where = s3_bucket.settings()
    bucket = opened(bucket=where["bucket"], bucket_endpoint=where["bucket_endpoint"])
    assert str(refusal(bucket)) == (
        f"{where['bucket']}: could not list it: no key is set, and the machine's metadata service gives it "
        "no role. Set LEADPIPE_BUCKET_KEY_ID and LEADPIPE_BUCKET_SECRET, or give the machine a role that may "
        "read the bucket."
    )


class _Answering(BaseHTTPRequestHandler):
    """Answers everything with one status and body."""

    status = 301
    body = b""
    cut_at = 0

    def do_GET(self):
        range_ = self.headers.get("Range")
        if self.status != 206:
            self.send_response(self.status)
            self.send_header("Content-Length", str(len(self.body)))
            self.end_headers()
            self.wfile.write(self.body)
            return
        begin = int(range_.removeprefix("bytes=").split("-")[0]) if range_ else 0
        self.send_response(206)
        self.send_header("Content-Length", str(len(self.body) - begin))
        self.send_header("Content-Range", f"bytes {begin}-{len(self.body) - 1}/{len(self.body)}")
        self.send_header("ETag", '"1"')
        self.send_header("Last-Modified", "Sat, 21 Nov 2026 11:00:00 GMT")
        self.end_headers()
        until = begin + self.cut_at if self.cut_at else len(self.body)
        self.wfile.write(self.body[begin:until])
        self.close_connection = True

    def log_message(self, *args):
        pass


@pytest.fixture
def answering():
    """A store that answers as it is told."""
    handler = type("Handler", (_Answering,), {})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield handler, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.mark.parametrize(
    ("status", "body", "kind", "said"),
    [
        (301, b"<Error><Code>PermanentRedirect</Code></Error>", BucketRefused, "BUCKET_REGION"),
        (
            400,
            b"<Error><Code>AuthorizationHeaderMalformed</Code></Error>",
            BucketRefused,
            "BUCKET_REGION",
        ),
        (403, b"", BucketRefused, "lacks the permission"),
        (418, b"phx_secret", BucketRefused, "answered 418."),
        (503, b"<Error><Code>SlowDown</Code></Error>", BucketUnavailable, "answered 503 SlowDown"),
    ],
)
def test_a_store_elsewhere_or_in_trouble_is_told(answering, status, body, kind, said):
    """Another region is a setting; trouble of the store's own passes; its texts are not repeated."""
    handler, address = answering
    handler.status, handler.body = status, body
    bucket = Bucket(
        "s3://exports",
        key_id="key",
        secret=SecretStr("secret"),
        endpoint=address,
        patience=timedelta(seconds=5),
    )
    error = refusal(bucket)
    assert isinstance(error, kind)
    assert said in str(error)
    assert "phx_secret" not in str(error)


def test_a_connection_that_breaks_is_taken_up_where_it_broke(answering, tmp_path):
    """A body that ends early is asked for from there on, as long as each answer brings something."""
    handler, address = answering
    handler.status, handler.body, handler.cut_at = 206, bytes(range(256)) * 1_000, 70_000
    bucket = Bucket("s3://exports", key_id="key", secret=SecretStr("s"), endpoint=address)
    stored = bucket_module.StoredObject(_NAME, "1", len(handler.body))
    assert bucket.fetch(stored, tmp_path / "run").read_bytes() == handler.body


def test_a_folder_that_is_not_there_is_told(tmp_path):
    """It may be a disk that is not mounted."""
    error = refusal(opened(bucket=str(tmp_path / "nowhere")))
    assert str(error) == (
        f"LEADPIPE_BUCKET names the folder {tmp_path}/nowhere, which is not there. Make it, or correct it."
    )


def test_no_secret_is_in_a_repr():
    """Neither of the settings nor of what is made of them."""
    settings = EventsSettings(_env_file=None, bucket="s3://b", bucket_secret="hidden-secret")
    assert "hidden-secret" not in f"{settings!r} {open_bucket(settings)!r}"


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"LEADPIPE_BUCKET": "s3://key:hidden@bucket/x"}, "LEADPIPE_BUCKET_KEY_ID"),
        ({"LEADPIPE_BUCKET": "ftp://bucket/x"}, "write s3://bucket/prefix"),
        ({"LEADPIPE_BUCKET": "exports"}, "a folder from the root on"),
        ({"LEADPIPE_LANE": "bucket"}, "the lane bucket needs LEADPIPE_BUCKET"),
        ({"LEADPIPE_LANE": "tunnel"}, "LEADPIPE_LANE"),
        ({"LEADPIPE_BUCKET_ENDPOINT": "localhost:9000"}, "https://"),
    ],
)
def test_settings_that_cannot_be_are_told(monkeypatch, settings, said):
    """A line a setting, and never the value: it may hold a key."""
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError) as raised:
        load_settings(EventsSettings)
    assert said in str(raised.value)
    assert "hidden" not in str(raised.value)
