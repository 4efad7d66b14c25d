"""Where exported files lie: S3 and what speaks its language, Google's store, or a folder.

One listing, small reads, and files streamed to disk in bounded memory; a folder's files are read where they
are. What the store says when it refuses is shortened to one line with the next step: its own texts hold
requests. What the files are and which of them to take is not this module's business.
"""

import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

import obstore
from obstore.exceptions import BaseError, NotFoundError, PreconditionError
from obstore.store import GCSStore, LocalStore, S3Store
from pydantic import SecretStr

from leadpipe.errors import (
    BucketFileChanged,
    BucketRefused,
    BucketUnavailable,
    DiskFull,
)

if TYPE_CHECKING:
    from obstore.store import ClientConfig, GCSConfig, RetryConfig

LISTED_AT_ONCE = 1_000
"""So many objects are a page of a listing, one request to a store."""
_MOST_OBJECTS = 2_000_000
_CHUNK_BYTES = 4_000_000
_FRUITLESS_TRIES = 3
_SPARE_BYTES = 200_000_000  # of the disk, for the warehouse to write in meanwhile
_PASSING = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS)
_ANSWER = re.compile(r"status code: (\d{3})")
_CODE = re.compile(r"<Code>([A-Za-z]+)</Code>")
_METADATA = re.compile(
    r"computeMetadata|/latest/(?:api|meta-data)/|169\.254\.\d|security-credentials"
)
_SECRETS = ("SignatureDoesNotMatch", "InvalidSecretAccessKey", "AuthFailure")
_KEYS = (
    "InvalidAccessKeyId",
    "InvalidToken",
    "ExpiredToken",
    "Unauthenticated",
    "AuthenticationRequired",
)
_REGIONS = (
    "PermanentRedirect",
    "AuthorizationHeaderMalformed",
    "IllegalLocationConstraintException",
)


@dataclass(frozen=True)
class StoredObject:
    """An object of a listing.

    Args:
        key: relative to the bucket's address.
        e_tag: the same as long as the object is the same version.
        size: bytes.
    """

    key: str
    e_tag: str
    size: int


@dataclass(frozen=True)
class Stretch:
    """A part of a listing.

    Args:
        folder: below which its keys lie; empty for all.
        after: its keys come after this one in the order of their texts; empty for all.
    """

    folder: str = ""
    after: str = ""


@dataclass(frozen=True)
class Bucket:
    """A place with exported files; nothing is asked of it before it is used.

    Args:
        address: `s3://bucket/prefix`, `gs://bucket/prefix`, `file:///folder` or a folder.
        key_id: the id of the access key; without it the machine's own role is used.
        secret: the access key's secret, or Google's service account key as JSON.
        region: of the bucket.
        endpoint: of a store that is neither Amazon's nor Google's own.
        patience: how long a listing or small read may take.
    """

    address: str
    key_id: str | None = None
    secret: SecretStr | None = field(default=None, repr=False)
    region: str | None = None
    endpoint: str | None = None
    patience: timedelta = timedelta(seconds=60)

    @property
    def folder(self) -> Path | None:
        """The folder that it is; None for a store."""
        parts = urlsplit(self.address)
        if parts.scheme == "file":
            return Path(unquote(parts.path))
        return None if parts.scheme in {"s3", "gs"} else Path(self.address)

    def listing(self, stretches: Sequence[Stretch] = (Stretch(),)) -> list[StoredObject]:
        """The objects below the address, each once: all, or those of some stretches.

        A store is asked once for each 1,000 objects of a stretch.

        Raises:
            BucketRefused, BucketUnavailable.
        """
        found: dict[str, StoredObject] = {}
        with self._explaining("list it"):
            store = self._store()
            for stretch in stretches:
                for chunk in obstore.list(
                    store,
                    stretch.folder or None,
                    offset=stretch.after or None,
                    chunk_size=LISTED_AT_ONCE,
                ):
                    for one in chunk:
                        e_tag = one["e_tag"] or f"{one['last_modified']:%Y%m%dT%H%M%S%f}"
                        found[one["path"]] = StoredObject(
                            one["path"], e_tag.strip('"'), one["size"]
                        )
                    if len(found) > _MOST_OBJECTS:
                        raise BucketRefused(
                            f"{self.address} holds more than {_MOST_OBJECTS:,} objects. Let LEADPIPE_BUCKET "
                            "name the prefix of the export, and let a lifecycle rule of the bucket remove "
                            "old files."
                        )
        return [*found.values()]

    def read(self, stored: StoredObject, *, most_bytes: int) -> bytes:
        """A small object whole.

        Raises:
            BucketFileChanged: it is gone, another version, or larger than `most_bytes`.
            BucketRefused, BucketUnavailable.
        """
        if stored.size > most_bytes:
            raise BucketFileChanged(f"{stored.key} has {stored.size:,} bytes; that is no manifest")
        with self._explaining(f"read {stored.key}"):
            return bytes(obstore.get(self._store(), stored.key).bytes())

    def probe(self, stored: StoredObject) -> None:
        """Read the first byte of an object, to see that one may.

        Raises:
            BucketFileChanged, BucketRefused, BucketUnavailable.
        """
        if stored.size:
            with self._explaining(f"read {stored.key}"):
                obstore.get_range(self._store(), stored.key, start=0, length=1)

    def fetch(self, stored: StoredObject, landing: Path) -> Path:
        """The path of an object's file: where it lies in a folder, else streamed to `landing` first.

        A connection that breaks is taken up again where it broke.

        Raises:
            BucketFileChanged: it is gone or another version now.
            DiskFull: it does not fit.
            BucketRefused, BucketUnavailable.
        """
        if (folder := self.folder) is not None:
            return folder / stored.key
        landing.mkdir(parents=True, exist_ok=True)
        if (free := shutil.disk_usage(landing).free) < stored.size + _SPARE_BYTES:
            raise DiskFull(
                f"{stored.key} has {stored.size / 1e6:,.0f} MB, and {free / 1e6:,.0f} MB are free in "
                f"{landing.parent}: make room there; it is taken then."
            )
        path = landing / stored.key.rsplit("/", 1)[-1]
        part = path.with_name(f"{path.name}.part")
        part.unlink(missing_ok=True)
        part.touch()
        fruitless = 0
        while (have := part.stat().st_size) < stored.size:
            try:
                self._append(stored, part, have)
            except BucketUnavailable:
                fruitless = 0 if part.stat().st_size > have else fruitless + 1
                if fruitless >= _FRUITLESS_TRIES:
                    raise
        part.replace(path)
        return path

    def _append(self, stored: StoredObject, part: Path, have: int) -> None:
        with self._explaining(f"read {stored.key}"), part.open("ab") as file:
            store = self._store(whole_answer=False)
            answer = obstore.get(
                store,
                stored.key,
                options={"if_match": f'"{stored.e_tag}"', "range": {"offset": have}},
            )
            for chunk in answer.stream(min_chunk_size=_CHUNK_BYTES):
                try:
                    file.write(chunk)
                except OSError as error:
                    raise DiskFull(
                        f"{stored.key} could not be written to {part.parent.parent}: {error.strerror}. Make "
                        "room there; it is taken then."
                    ) from None

    def _store(self, *, whole_answer: bool = True) -> S3Store | GCSStore | LocalStore:
        """The store at the address; `whole_answer` is to be there within the patience, else each read."""
        if (folder := self.folder) is not None:
            if not folder.is_dir():
                raise BucketRefused(
                    f"LEADPIPE_BUCKET names the folder {folder}, which is not there. Make it, or correct it."
                )
            return LocalStore(folder.resolve())
        parts = urlsplit(self.address)
        client: ClientConfig = {
            "connect_timeout": "5s",
            "read_timeout": self.patience,
            "timeout": self.patience if whole_answer else timedelta(days=1),
            "allow_http": bool(self.endpoint and self.endpoint.startswith("http://")),
        }
        retry: RetryConfig = {"max_retries": 3, "retry_timeout": self.patience}
        prefix = parts.path.strip("/") or None
        secret = self.secret.get_secret_value() if self.secret else None
        if parts.scheme == "gs":
            google: GCSConfig = {"service_account_key": secret} if secret else {}
            if self.endpoint:
                google["base_url"] = self.endpoint
            return GCSStore(
                parts.netloc,
                prefix=prefix,
                client_options=client,
                retry_config=retry,
                config=google,
            )
        given = {
            "access_key_id": self.key_id,
            "secret_access_key": secret,
            "region": self.region or ("us-east-1" if self.endpoint else None),
            "endpoint": self.endpoint,
        }
        return S3Store(
            parts.netloc,
            prefix=prefix,
            client_options=client,
            retry_config=retry,
            virtual_hosted_style_request=False,
            **{name: value for name, value in given.items() if value},  # type: ignore[arg-type]
        )

    @contextmanager
    def _explaining(self, what: str) -> Iterator[None]:
        try:
            yield
        except (FileNotFoundError, NotFoundError) as error:
            if "NoSuchBucket" in str(error):
                raise self._explained(error, what) from None
            raise BucketFileChanged(f"{self.address}: could not {what}: it is gone") from None
        except PreconditionError:
            raise BucketFileChanged(
                f"{self.address}: could not {what}: it was written anew meanwhile"
            ) from None
        except (BaseError, PermissionError, ValueError, OSError) as error:
            raise self._explained(error, what) from None

    def _explained(self, error: Exception, what: str) -> BucketRefused | BucketUnavailable:
        """One line with the next step; nothing of the request that the store's text may hold."""
        text = str(error)
        code = found[1] if (found := _CODE.search(text)) else ""
        status = int(found[1]) if (found := _ANSWER.search(text)) else None
        problem = f"{self.address}: could not {what}"
        if reason := self._reason(text, code, status):
            return BucketRefused(f"{problem}: {reason}")
        if (
            status is not None
            and status < HTTPStatus.INTERNAL_SERVER_ERROR
            and status not in _PASSING
        ):
            return BucketRefused(
                f"{problem}: the store answered {status} {code}".rstrip()
                + ". Check LEADPIPE_BUCKET and its keys with `leadpipe check`."
            )
        said = f"answered {status} {code}".rstrip() if status else "cannot be reached"
        where = self.endpoint or "its address"
        return BucketUnavailable(
            f"{problem}: the store {said}. Check the network and LEADPIPE_BUCKET_ENDPOINT ({where}); what "
            "waits there is taken by a later run."
        )

    @property
    def _is_google(self) -> bool:
        return urlsplit(self.address).scheme == "gs"

    def _who(self) -> tuple[str, str, str]:
        """Who reads, which rights that one needs, and by which settings a person names that one."""
        google = (
            "storage.objects.list, storage.objects.get: the role Storage Object Viewer has both"
        )
        rights = google if self._is_google else "s3:ListBucket, s3:GetObject"
        if self.folder is not None:
            return "the user that runs leadpipe", "r and x on the folder", "LEADPIPE_BUCKET"
        if self._is_google:
            settings = "LEADPIPE_BUCKET_SECRET (the service account's key, as JSON)"
        else:
            settings = "LEADPIPE_BUCKET_KEY_ID and LEADPIPE_BUCKET_SECRET"
        return "its key" if self.secret else "the machine's role", rights, settings

    def _reason(self, text: str, code: str, status: int | None) -> str | None:
        """Why a store refuses for good; None if it may be passing."""
        who, rights, settings = self._who()
        if self.secret is None and _METADATA.search(text):
            return (
                "no key is set, and the machine's metadata service gives it no role. Set "
                f"{settings}, or give the machine a role that may read the bucket."
            )
        if self.secret is None:
            unknown = "the machine's role"
        elif self._is_google:
            unknown = "the service account of LEADPIPE_BUCKET_SECRET"
        else:
            unknown = "LEADPIPE_BUCKET_KEY_ID"
        scheme = "gs" if self._is_google else "s3"
        reasons = (
            (
                code == "AccessDenied"
                or (status == HTTPStatus.FORBIDDEN and not code)
                or "Permission" in text[:60],
                (
                    f"{who} lacks the permission. It needs to list the bucket and to read its objects "
                    f"({rights})."
                ),
            ),
            (
                code in _SECRETS,
                "LEADPIPE_BUCKET_SECRET is not the secret of LEADPIPE_BUCKET_KEY_ID. Copy both again.",
            ),
            (
                code in _KEYS or status == HTTPStatus.UNAUTHORIZED,
                f"the store does not know {unknown}. Copy the key again, or make a new one.",
            ),
            (
                code in _REGIONS
                or "incorrectly configured region" in text
                or status == HTTPStatus.MOVED_PERMANENTLY,
                "the bucket is in another region. Set LEADPIPE_BUCKET_REGION to the bucket's.",
            ),
            (
                code == "NoSuchBucket",
                f"there is no such bucket. Correct LEADPIPE_BUCKET ({scheme}://bucket/prefix).",
            ),
            (
                "credential error" in text.lower() or "decode service account" in text.lower(),
                (
                    "its key cannot be used. For gs:// LEADPIPE_BUCKET_SECRET is the service account's "
                    "key, as JSON."
                ),
            ),
            (
                "empty path segment" in text,
                (
                    "a key there has an empty part (`//`), which no store but S3 knows. Let "
                    "LEADPIPE_BUCKET name the export's own prefix, without such keys."
                ),
            ),
        )
        return next((reason for is_it, reason in reasons if is_it), None)
