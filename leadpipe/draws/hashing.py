"""The hashes of a draw: every input that is ever hashed is written here, and in docs/draws.md.

SHA-256 only. Each kind of input begins with its own word, so that none can pass for another.
"""

import hashlib
import json

LIST_KEY_HEX = 32
SEED_HEX = 64
_SALT_HEX = 32
_SUM_BYTES = 8
ROW_BYTES = _SUM_BYTES + 32
FAN_OUT = 16  # measured: 2 doubles the time to build, and saves a third of the evidence


def sha256_hex(text: str) -> str:
    """The hash of an ASCII text, as 64 hexadecimal digits."""
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def salt_prefix(list_key: str) -> str:
    """What comes before the MSISDN where a salt is hashed."""
    return f"salt:{list_key}:"


def salt_of(list_key: str, msisdn: str) -> str:
    """What hides a participant in the published tree; known to them and to who holds the key."""
    return sha256_hex(f"{salt_prefix(list_key)}{msisdn}")[:_SALT_HEX]


def leaf_of(salt: str, msisdn: str) -> str:
    """The participant as the tree has them. Without the salt no MSISDN can be tried against it."""
    return sha256_hex(f"leaf:{salt}:{msisdn}")


def row(entries: int, digest: bytes) -> bytes:
    """A node as its parent hashes it: entries below it in 8 bytes, big end first, then its hash."""
    return entries.to_bytes(_SUM_BYTES, "big") + digest


def entries_of(row_bytes: bytes) -> int:
    """The entries in a row."""
    return int.from_bytes(row_bytes[:_SUM_BYTES], "big")


def node_digest(rows: bytes | memoryview) -> bytes:
    """The hash of an inner node, from the rows of its children in order."""
    node = hashlib.sha256(b"node:")
    node.update(rows)
    return node.digest()


def seed_commitment(seed: str) -> str:
    """What is published of the seed before the draw."""
    return sha256_hex(f"seed:{seed}")


def final_seed(commitment: str, seed: str, beacon_value: str) -> str:
    """What the numbers come from: the announcement, the seed, and the beacon's value if one was named."""
    return sha256_hex(f"draw:{commitment}:{seed}:{beacon_value}")


def canonical_json(value: object) -> bytes:
    """The one way to write a value as JSON: ASCII, sorted keys, no spaces, a newline at the end."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return f"{text}\n".encode("ascii")


def canonical_sha256(value: object) -> str:
    """The hash of a value's canonical JSON."""
    return hashlib.sha256(canonical_json(value)).hexdigest()
