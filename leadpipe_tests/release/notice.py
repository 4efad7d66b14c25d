"""NOTICE: the licences of what production installs, from the packages' own metadata.

    python -m leadpipe_tests.release.notice

writes it. The test beside it fails when it is not what this would write.
"""

import re
from email import message_from_string
from email.message import Message
from importlib.metadata import distribution

from leadpipe_tests.release.locks import PRODUCTION, ROOT, Locked, locked

NOTICE = ROOT / "NOTICE"
_HEAD = """\
leadpipe
Copyright the leadpipe authors

Licensed under the Apache License, Version 2.0; see LICENSE.

The wheel and the source archive hold leadpipe's own code alone. An installation, and the container image,
have the packages below as well, unchanged, each with its licence's text beside it, in
`site-packages/*.dist-info`.

Some are not permissive, and stay what they are: separate packages that anybody may replace.

{restrictive}

All of them:

{all}
"""
_RESTRICTIVE = re.compile(r"GPL|MPL|EPL|CDDL|EUPL", re.IGNORECASE)
_MOST_LETTERS = 60
# Trove classifiers in the words of SPDX.
_SPDX = {
    "Apache Software License": "Apache-2.0",
    "BSD License": "BSD",
    "GNU Lesser General Public License v3 or later (LGPLv3+)": "LGPL-3.0-or-later",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
}


class LicenceUnknown(Exception):  # noqa: N818 - says what is the case
    """A package says nothing of its licence that could be written down."""


def licence_of(package: Message) -> str:
    """What a package says of its licence: as an expression, else by classifiers, else in its own words.

    Raises:
        LicenceUnknown: it says nothing, or a whole text.
    """
    if expression := package.get("License-Expression"):
        return str(expression)
    kinds = [
        each.removeprefix("License :: ").removeprefix("OSI Approved :: ")
        for each in package.get_all("Classifier") or ()
        if each.startswith("License :: ")
    ]
    if kinds:
        return ", ".join(sorted(_SPDX.get(kind, kind) for kind in kinds))
    words = str(package.get("License") or "").strip()
    if not words or "\n" in words or len(words) > _MOST_LETTERS:
        raise LicenceUnknown(
            f"{package['Name']} says no licence; look at its home page, and decide"
        )
    return words


def _metadata(name: str) -> Message:
    text = distribution(name).read_text("METADATA")
    assert text is not None, f"{name} has no metadata"
    return message_from_string(text)


def notice(packages: list[Locked]) -> str:
    """The whole text for packages that are installed here."""
    lines = {
        package.name: f"{package.name}: {licence_of(_metadata(package.name))}"
        for package in packages
        if package.is_for_servers
    }
    restrictive = [line for line in lines.values() if _RESTRICTIVE.search(line.partition(": ")[2])]
    return _HEAD.format(
        restrictive="\n".join(f"- {line}" for line in restrictive),
        all="\n".join(f"- {line}" for line in lines.values()),
    )


def main() -> None:
    """Write the file."""
    NOTICE.write_text(notice(locked(PRODUCTION)))


if __name__ == "__main__":
    main()
