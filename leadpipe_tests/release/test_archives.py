"""What the wheel and the source archive hold, and what they are called."""

import re
import shutil
import sys
import tarfile
import zipfile
from email import message_from_string
from pathlib import Path

import pytest

import leadpipe
from leadpipe_tests.installed import copy_sources, new_user, typed
from leadpipe_tests.release.locks import ROOT
from leadpipe_tests.release.make import build, write_checksums

_VERSION = leadpipe.__version__
_LICENCES = {"LICENSE", "NOTICE"}


@pytest.fixture(scope="module")
def archives(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with both, made from a copy of the sources, with tests and secrets beside them."""
    folder = tmp_path_factory.mktemp("release")
    clone = copy_sources(folder)
    (clone / ".env").write_text("POSTHOG_API_KEY=phx_secret")
    (clone / "data").mkdir()
    (clone / "data" / "leadpipe.duckdb").write_text("")
    shutil.copytree(ROOT / "leadpipe_tests" / "docs", clone / "leadpipe_tests" / "docs")
    build(clone, folder / "dist")
    return folder / "dist"


def test_the_wheel_has_the_code_and_nothing_else(archives):
    """Every file of the two packages, types marked, `dagster.yaml`, what tables mean, licences; no more."""
    with zipfile.ZipFile(archives / f"leadpipe-{_VERSION}-py3-none-any.whl") as wheel:
        names = set(wheel.namelist())
        meta = message_from_string(wheel.read(f"leadpipe-{_VERSION}.dist-info/METADATA").decode())
    info = f"leadpipe-{_VERSION}.dist-info"
    inside = {name for name in names if not name.startswith(info)}
    code = {
        str(path.relative_to(ROOT))
        for package in ("leadpipe", "posthog_sandbox")
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert inside == code | {"leadpipe/dagster.yaml", "leadpipe/tables.md"}
    assert {"leadpipe/py.typed", "posthog_sandbox/py.typed"} <= code
    assert {f"{info}/licenses/{name}" for name in _LICENCES} <= names
    assert (meta["Version"], meta["License-Expression"]) == (_VERSION, "Apache-2.0")
    assert set(meta.get_all("License-File") or ()) == _LICENCES


def test_the_source_archive_has_what_makes_the_wheel(archives, tmp_path):
    """Code, licences, the production lock; and the wheel that is made of it is the same one."""
    with tarfile.open(archives / f"leadpipe-{_VERSION}.tar.gz") as archive:
        names = {member.name.partition("/")[2] for member in archive.getmembers()}
        archive.extractall(tmp_path, filter="data")
    folders = ("leadpipe/", "posthog_sandbox/", "deploy/")
    beside = {name for name in names if not name.startswith(folders)}
    assert {f"deploy/{name}" for name in ("Dockerfile", "compose.yaml")} <= names
    assert beside - {".gitignore"} == {  # which is there where the sources are in git
        *_LICENCES,
        *(".dockerignore", ".env.example", "CHANGELOG.md", "Makefile", "PKG-INFO", "README.md"),
        *("dagster.yaml", "docs/tables.md", "pyproject.toml", "requirements-build.lock"),
        "requirements-production.lock",
    }
    unpacked = tmp_path / f"leadpipe-{_VERSION}"
    typed(sys.executable, "-m", "hatchling", "build", "-t", "wheel", cwd=unpacked)
    name = f"leadpipe-{_VERSION}-py3-none-any.whl"
    assert (unpacked / "dist" / name).read_bytes() == (archives / name).read_bytes()


def test_the_version_stands_in_one_place():
    """`leadpipe/__init__.py` has it; pages and the image that name it name the same."""
    assert 'dynamic = ["version"]' in (ROOT / "pyproject.toml").read_text()
    named = {
        f"{path.name}: {version}"
        for path in (ROOT / "README.md", *(ROOT / "docs").glob("*.md"), *(ROOT / "deploy").rglob("*"))
        if path.is_file()
        for version in re.findall(r"leadpipe[-:](\d+\.\d+\.\d+)", path.read_text())
        if version != _VERSION
    }  # fmt: skip
    assert named == set()
    said = typed(
        sys.executable, "-m", "leadpipe", "--version", cwd=ROOT, env=new_user(PYTHONPATH=ROOT)
    )
    assert _VERSION in said


def test_checksums_are_those_that_sha256sum_checks(tmp_path):
    """One line a file, which `sha256sum --check` takes."""
    (tmp_path / "a.whl").write_bytes(b"a")
    (tmp_path / "b.json").write_bytes(b"b")
    write_checksums(tmp_path)
    said = typed("sha256sum", "--check", "--strict", "SHA256SUMS", cwd=tmp_path)
    assert said.splitlines() == ["a.whl: OK", "b.json: OK"]
