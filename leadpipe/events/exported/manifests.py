"""What a manifest lists: `{"files": [keys]}`, written last, by an export with a maximum file size."""

import msgspec

MOST_BYTES = 16_000_000
"""A manifest that is larger is none; one of 10,000 parts has a megabyte."""


class _Manifest(msgspec.Struct):
    files: list[str]


def listed(content: bytes) -> frozenset[str]:
    """The names of the files a manifest lists, without their folder: it is the manifest's own.

    The keys count from the bucket's root, where the files may since have been copied from.

    Raises:
        ValueError: it is none.
    """
    try:
        manifest = msgspec.json.decode(content, type=_Manifest)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise ValueError('is no manifest: it is not {"files": [keys]}') from None
    return frozenset(key.rsplit("/", 1)[-1] for key in manifest.files)
