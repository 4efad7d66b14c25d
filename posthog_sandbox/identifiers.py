"""Identifiers of generated traffic, many at a time: hashes of numbers, UUIDs as text.

Belongs here: turning arrays of numbers into arrays of ids. Does not belong here: whose ids they are
(`population.py`).
"""

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Words = npt.NDArray[np.uint64]
Numbers = npt.NDArray[np.int64]

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)
_VARIANT = np.uint64(0x8000000000000000)
_VARIANT_MASK = np.uint64(0x3FFFFFFFFFFFFFFF)
_HEX = np.frombuffer("".join(f"{byte:02x}" for byte in range(256)).encode(), np.uint8).reshape(
    256, 2
)
_DASHES = ((0, 8, 0), (8, 12, 1), (12, 16, 2), (16, 20, 3), (20, 32, 4))
_UUID_CHARACTERS = 36


def mixed(numbers: Numbers, salt: int) -> Words:
    """A random-looking word for each number; the same for the same number and salt."""
    start = np.uint64((salt * 0x9E3779B97F4A7C15 + 0x632BE59BD9B4E019) & 0xFFFFFFFFFFFFFFFF)
    word = numbers.astype(np.uint64) * _GOLDEN + start
    word = (word ^ (word >> np.uint64(30))) * _MIX_1
    word = (word ^ (word >> np.uint64(27))) * _MIX_2
    return word ^ (word >> np.uint64(31))


def unit(numbers: Numbers, salt: int) -> npt.NDArray[np.float64]:
    """A random-looking fraction in [0, 1) for each number."""
    return (mixed(numbers, salt) >> np.uint64(11)).astype(np.float64) / 2.0**53


def uuid4(high: Words, low: Words) -> pa.StringArray:
    """Version 4 UUIDs of random words."""
    versioned = (high & np.uint64(0xFFFFFFFFFFFF0FFF)) | np.uint64(0x4000)
    return uuid_text(versioned, (low & _VARIANT_MASK) | _VARIANT)


def uuid7(milliseconds: Numbers, high: Words, low: Words) -> pa.StringArray:
    """Version 7 UUIDs: time first, then random words."""
    timed = milliseconds.astype(np.uint64) << np.uint64(16)
    versioned = timed | np.uint64(0x7000) | (high & np.uint64(0x0FFF))
    return uuid_text(versioned, (low & _VARIANT_MASK) | _VARIANT)


def uuid_text(high: Words, low: Words) -> pa.StringArray:
    """UUIDs in their usual form."""
    count = len(high)
    octets = np.stack((high, low), axis=1).astype(">u8").view(np.uint8)
    digits = _HEX[octets].reshape(count, 32)
    text = np.full((count, _UUID_CHARACTERS), ord("-"), np.uint8)
    for start, end, dashes in _DASHES:
        text[:, start + dashes : end + dashes] = digits[:, start:end]
    offsets = np.arange(0, (count + 1) * _UUID_CHARACTERS, _UUID_CHARACTERS, dtype=np.int32)
    buffers = [None, pa.py_buffer(offsets.tobytes()), pa.py_buffer(text.tobytes())]
    return pa.Array.from_buffers(pa.string(), count, buffers)


def joined(*parts: Any) -> pa.StringArray:  # noqa: ANN401 - arrays of text, or one text for all
    """Texts put together row by row; a plain str stands in every row."""
    return pc.binary_join_element_wise(*parts, "")


def digits(numbers: Numbers, width: int = 0) -> pa.StringArray:
    """Numbers as text, with leading zeros up to the width."""
    text = pa.array(numbers).cast(pa.string())
    return pc.utf8_lpad(text, width=width, padding="0") if width else text


def chosen(options: list[str], picks: npt.NDArray[Any]) -> pa.StringArray:
    """The option of each row."""
    return pa.array(options, pa.string()).take(pa.array(picks))
