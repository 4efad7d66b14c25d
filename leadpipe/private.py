"""Files with personal data and secrets are their owner's alone.

Belongs here: what programs of leadpipe let others see of the files they write, and what is wider than that.
"""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

_OTHERS = 0o077
_CAN_READ = 0o044
_SHOWN = 3


def keep_private() -> None:
    """Let every file and folder that this process and its children make be their owner's alone."""
    os.umask(_OTHERS)


def can_others_read(path: Path) -> bool:
    """Whether the group or everybody may read a file, or list a folder."""
    return bool(stat.S_IMODE(path.stat().st_mode) & _CAN_READ)


def wider_paths(data_dir: Path) -> Iterator[Path]:
    """What others can read of a data folder: the folder, and files and folders in it.

    What is below a folder that only its owner may enter is out of reach. The published tables may be shared
    on purpose (docs/security.md), so of them only what everybody can read is told.
    """
    if not data_dir.is_dir() or not _can_enter(data_dir):
        return
    if can_others_read(data_dir):
        yield data_dir
    for path in sorted(data_dir.iterdir()):
        if path.is_symlink() or path.name == "README.md":
            continue
        mode = stat.S_IMODE(path.stat().st_mode)
        is_shared = path.name == "published" and not mode & 0o007
        if mode & _CAN_READ and not is_shared:
            yield path


def said_of_others(data_dir: Path) -> str | None:
    """What others can read of a data folder, and the command that mends it; None where they cannot."""
    wide = list(wider_paths(data_dir))
    if not wide:
        return None
    shown = ", ".join(map(str, wide[:_SHOWN])) + (" and more" if wide[_SHOWN:] else "")
    return f"others at this machine can read {shown}: chmod -R go-rwx {data_dir}"


def _can_enter(folder: Path) -> bool:
    return bool(stat.S_IMODE(folder.stat().st_mode) & 0o055)
