"""A line of `leadpipe check`'s report, as the frame and the domains give it."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Finding:
    """What is right, worth a look, or wrong, with the next step."""

    verdict: Literal["ok", "warning", "wrong"]
    what: str
    text: str
