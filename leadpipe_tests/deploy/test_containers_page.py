"""The lines for containers in docs/deploy.md: what `docker compose` is told to do in them is done."""

import re
import shlex
import shutil
from itertools import pairwise

import duckdb

from leadpipe_tests.deploy.services import COMPOSE, Compose, composed, read
from leadpipe_tests.docs.markdown import ROOT, blocks, sections
from leadpipe_tests.security.proxies import NAME
from leadpipe_tests.warehouse.old_warehouse import all_rows, make_old_warehouse
from leadpipe_tests.web.fixtures import TOKEN

_PAGE = ROOT / "docs" / "deploy.md"
_SETTINGS = {"LEADPIPE_WEB_NAMES": NAME, "LEADPIPE_ADMIN_TOKEN": TOKEN}


def lines_of(heading: str) -> list[list[str]]:
    """The words after `docker compose`, of each such line below a heading."""
    text = sections(_PAGE, level=2)[heading]
    page = [block for block in blocks(_PAGE, "bash") if block.text in text]
    lines = [line for block in page for line in block.text.splitlines()]
    return [shlex.split(line)[2:] for line in lines if line.startswith("docker compose ")]


def run_once(compose: Compose, words: list[str]) -> str:
    """Carry out `run` with its options."""
    assert words[0] == "run"
    volumes = []
    rest = iter(words[1:])
    for word in rest:
        if word == "--volume":
            source, target = next(rest).split(":")
            assert source == "$PWD/backups"
            volumes.append((compose.folder / "backups", target))
        elif not word.startswith("--"):
            return compose.run(word, list(rest), volumes)
    raise AssertionError(f"{words} names no service")


def test_every_service_and_file_of_the_page_exists():
    """Files after `--file`, services after `run` and `exec`, and the profile."""
    services = read(COMPOSE, variables={"LEADPIPE_WEB_NAMES": NAME})["services"]
    for heading in ("As containers", "Upgrade", "Rollback"):
        assert lines_of(heading)
        for words in lines_of(heading):
            for option, value in pairwise(words):
                assert option != "--file" or (COMPOSE.parent / value).exists()
                assert option != "--profile" or value in services["proxy"]["profiles"]
            if words[0] in {"run", "exec"}:
                assert {*words} & {*services}
    table = sections(_PAGE, level=2)["As containers"]
    assert set(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)) == {*services}


def test_an_upgrade_of_a_volume_loses_nothing_and_goes_back(machine_clock, image, tmp_path):
    """A volume of 0.2.0 is packed, rebuilt by the image, and unpacked again: as it was, byte by byte."""
    with composed(image, tmp_path, _SETTINGS) as compose:
        data = compose.volume("data")
        before = make_old_warehouse(data / "leadpipe.duckdb")
        (tmp_path / "backups").mkdir()
        for path in (data / "leadpipe.duckdb", tmp_path / "backups"):
            shutil.chown(path, 10_001, 10_001)
        old = (data / "leadpipe.duckdb").read_bytes()
        for words in lines_of("Upgrade"):
            if words[0] == "run":
                run_once(compose, words)
        with duckdb.connect(str(data / "leadpipe.duckdb"), read_only=True) as connection:
            after = all_rows(connection)
        for table in ("raw_events", "leads", "lead_edits", "listings", "blacklist"):
            assert len(after[table]) == len(before[table]), table
        assert (data / "leadpipe.duckdb").read_bytes() != old
        for words in lines_of("Rollback"):
            if words[0] == "run":
                run_once(compose, words)
        assert {path.name for path in data.iterdir()} == {"leadpipe.duckdb"}
        assert (data / "leadpipe.duckdb").read_bytes() == old
        assert (data.stat().st_uid, data.stat().st_mode & 0o777) == (10_001, 0o700)
