"""Row 5: files with personal data are their owner's alone, and `leadpipe check` tells which are not."""

import json
import os
import re
import stat
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner
from pydantic import SecretStr

import leadpipe.cli
from leadpipe.cli.safety import findings
from leadpipe.inbox.drain import drain
from leadpipe.inbox.payloads import Reader
from leadpipe.private import wider_paths
from leadpipe.published.tables import publish_tables
from leadpipe.settings import child_environment, whole_settings
from leadpipe.warehouse import Warehouse
from leadpipe.web.server import _closed
from leadpipe.web.settings import WebSettings
from leadpipe_tests.clocks import NOW
from leadpipe_tests.dagster_ui.processes import answers, wait_for
from leadpipe_tests.docs.markdown import blocks, pages
from leadpipe_tests.security.proxies import NAME, bare_nginx, certificate, documented_nginx
from leadpipe_tests.web.builders import pageview, publish_some
from leadpipe_tests.web.fixtures import CRON_SECRET, SECRET, TOKEN, web_settings
from leadpipe_tests.web.page_process import serving

_PROGRAM = "import os; os.umask(0o022); from leadpipe.cli import main; main()"


def modes(folder):
    """What others may do with each file and folder of a folder, those that may anything."""
    return {
        str(path.relative_to(folder)): oct(stat.S_IMODE(path.stat().st_mode))
        for path in [folder, *folder.rglob("*")]
        if stat.S_IMODE(path.stat().st_mode) & 0o077
    }


def said(**settings):
    """What the check says, by what it is about."""
    found = whole_settings()(_env_file=None, **settings)
    return [(one.verdict, one.what, one.text) for one in findings(found)]


def test_commands_write_for_their_owner_alone(tmp_path):
    """Whatever umask the shell has: warehouse, published tables, locks, Dagster's storage."""
    env = child_environment({"LEADPIPE_DATA_DIR": "data", "DAGSTER_HOME": ""})
    subprocess.run(
        [sys.executable, "-c", _PROGRAM, "rebuild"],
        cwd=tmp_path,
        env=env,
        check=True,
        capture_output=True,
    )
    assert Warehouse(tmp_path / "data" / "leadpipe.duckdb").is_there
    assert (tmp_path / "data" / "published" / "current").exists()
    assert modes(tmp_path / "data") == {}


def test_the_page_writes_for_its_owner_alone(tmp_path):
    """Inbox, keys and logins."""
    before = os.umask(0o022)
    try:
        with serving(tmp_path) as (_, url):
            wait_for("the page", lambda: answers(f"{url}/healthz"), seconds=60)
    finally:
        os.umask(before)
    assert (tmp_path / "data" / "inbox.sqlite").exists()
    assert modes(tmp_path / "data") == {}


def test_runs_of_dagster_write_for_their_owner_alone(tmp_path):
    """Whoever loads the definitions (daemon, code server, `dagster dev`) writes so."""
    program = "import os; os.umask(0o022); import leadpipe.definitions; print(oct(os.umask(0o022)))"
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "0o77"


def test_whole_leads_are_in_no_shared_publication(tmp_path, warehouse):
    """They lie in a folder of their own that stays closed, whatever the publication is shared with."""
    before = os.umask(0o022)
    try:
        for _ in range(3):
            with warehouse.connect() as connection:
                publish_tables(connection, tmp_path / "data" / "published", now=NOW)
    finally:
        os.umask(before)

    def tables(publications):
        """Of all publications in a folder, whether a file or a folder of parts."""
        return {
            path.relative_to(publications).parts[1].partition(".")[0]
            for path in publications.rglob("*.parquet")
            if "current" not in path.relative_to(publications).parts
        }

    personal = {"failed_leads", "succeeded_leads", "lead_edits"}
    assert personal.isdisjoint(tables(tmp_path / "data" / "published"))
    own = tmp_path / "data" / "published-personal"
    assert tables(own) == personal
    assert oct(stat.S_IMODE(own.stat().st_mode)) == "0o700"
    assert sorted(path.name for path in own.iterdir()) == ["v000002", "v000003"]


def test_what_was_drained_is_nowhere_in_the_inbox(tmp_path, inbox, warehouse):
    """Neither in the file nor in the log beside it, also while the page holds both open."""
    body = pageview(7).replace(b"device-7", b"device-of-ama-mensah")
    with inbox.kept_open() as opened:
        reader = Reader(["$pageview"], NOW.date() - timedelta(days=9))
        opened.add([reader.read(body, now=NOW)], now=NOW)
        assert b"ama-mensah" in stored(inbox)
        report = drain(
            inbox,
            warehouse,
            run_id="run-1",
            landing=tmp_path / "landing",
            publish=lambda _: None,
            clock=lambda: NOW,
        )
    assert report.moved == 1
    assert b"ama-mensah" not in stored(inbox)


def stored(inbox):
    """All bytes of the inbox's files."""
    return b"".join(path.read_bytes() for path in inbox.path.parent.glob("inbox.sqlite*"))


def test_the_check_names_what_is_wider(tmp_path):
    """Folders and files that others can read, with the command; a shared publication is no fault."""
    data = tmp_path / "data"
    publish_some(tmp_path)
    data.chmod(0o700)
    assert list(wider_paths(data)) == []
    warehouse = Warehouse(data / "leadpipe.duckdb")
    file = warehouse.path if warehouse.lake is None else Path(warehouse.lake.catalog)
    for path in (data, file):
        path.chmod(0o755)
    (data / "published").chmod(0o750)
    found = list(wider_paths(data))
    assert {data, file} <= {*found}
    assert data / "published" not in found
    (verdict, _, text) = next(one for one in said(data_dir=data) if one[1] == "files")
    assert verdict == "warning"
    assert text.startswith(f"others at this machine can read {data}, ")
    assert text.endswith(f"chmod -R go-rwx {data}")


def test_the_page_says_at_its_start_what_others_can_read(tmp_path):
    """The same line as the check's, before anything else that is closed; nothing where nobody else can."""
    data = tmp_path / "data"
    data.mkdir(mode=0o700)
    (data / "leadpipe.duckdb").touch(mode=0o600)
    settings = web_settings(tmp_path).of(WebSettings)
    assert not any("others at this machine" in line for line in _closed(settings))
    data.chmod(0o755)
    told = f"others at this machine can read {data}: chmod -R go-rwx {data}"
    assert _closed(settings)[0] == told
    assert ("warning", "files", told) in said(data_dir=data)


def test_the_check_names_an_env_that_others_can_read(tmp_path):
    """It holds the keys."""
    env = tmp_path / ".env"
    env.write_text("")
    env.chmod(0o644)
    text = "others at this machine can read .env and its keys: chmod 600 .env"
    assert ("warning", "files", text) in said(data_dir=tmp_path / "data")
    env.chmod(0o600)
    assert ("warning", "files", text) not in said(data_dir=tmp_path / "data")


def test_the_docs_make_an_env_for_its_owner_alone():
    """Wherever a page copies the example."""
    made = [
        line
        for page in pages()
        for block in blocks(page, "bash")
        for line in block.text.splitlines()
        if ".env.example" in line
    ]
    assert made
    readable = [line for line in made if not re.match(r"(sudo )?install -m 0?600 ", line)]
    assert (readable, "install -m 600 .env.example .env" in made) == ([], True)


def test_the_check_says_who_can_reach_the_page(tmp_path):
    """Open, with a login, or public for any name."""
    folder = {"data_dir": tmp_path / "data"}
    open_to_all = "the page is open to everybody at this machine; what a proxy passes on is refused"
    assert ("ok", "access", f"{open_to_all} (LEADPIPE_WEB_NAMES not set)") in said(**folder)
    public = said(**folder, web_host="0.0.0.0", admin_token=SecretStr(TOKEN))
    [(verdict, _, text)] = [one for one in public if one[1] == "access"]
    assert (verdict, text.startswith("the page listens on 0.0.0.0 for any name")) == (
        "warning",
        True,
    )


@pytest.mark.parametrize(
    "field",
    ["admin_token", "cron_secret", "posthog_webhook_secret", "leads_secret", "npa_webhook_secret"],
)
def test_the_check_names_a_short_secret(tmp_path, field):
    """Each of them, and it is wrong: nothing would start."""
    found = said(data_dir=tmp_path / "data", **{field: SecretStr("short")})
    [(verdict, _, text)] = [one for one in found if one[1] == "secrets"]
    assert (verdict, "short" in text, "20 characters" in text) == ("wrong", False, True)


def test_the_check_names_a_kept_secret_that_is_none(tmp_path):
    """Before the start refuses it."""
    file = tmp_path / "data" / "session_key"
    file.parent.mkdir()
    file.touch(mode=0o600)
    [(verdict, _, text)] = [one for one in said(data_dir=tmp_path / "data") if one[1] == "secrets"]
    assert (verdict, text.startswith(f"{file} holds no whole secret")) == ("wrong", True)


def test_the_check_is_one_of_the_command(tmp_path, monkeypatch):
    """`leadpipe check` has these lines among its own."""
    monkeypatch.setenv("LEADPIPE_DATA_DIR", str(tmp_path / "data"))
    result = CliRunner().invoke(leadpipe.cli.main, ["check", "--json"])
    assert {"access", "web page"} <= {one["what"] for one in json.loads(result.output)}


def test_the_check_looks_at_the_proxy(tmp_path, monkeypatch):
    """From outside: a certificate nobody trusts, a proxy without the headers, one that is right."""
    secrets = {
        "LEADPIPE_ADMIN_TOKEN": TOKEN,
        "POSTHOG_WEBHOOK_SECRET": SECRET,
        "CRON_SECRET": CRON_SECRET,
    }
    with serving(tmp_path, LEADPIPE_WEB_NAMES=f"127.0.0.1,{NAME}", **secrets) as (_, url):
        port = int(url.rpartition(":")[2])
        with documented_nginx(tmp_path, page=port) as front:
            name = f"127.0.0.1:{front.port}"
            asked = {"data_dir": tmp_path / "data", "web_names": name}
            [(verdict, _, text)] = [one for one in said(**asked) if one[1] == "proxy"]
            assert (
                verdict,
                text.startswith(f"https://{name}: its certificate is not trusted"),
            ) == ("warning", True)
            monkeypatch.setenv("SSL_CERT_FILE", str(certificate(tmp_path)[0]))
            assert ("ok", "proxy", f"https://{name} answers, with a trusted certificate") in said(
                **asked
            )
        with bare_nginx(tmp_path, page=port) as front:
            asked["web_names"] = f"127.0.0.1:{front.port}"
            [(verdict, _, text)] = [one for one in said(**asked) if one[1] == "proxy"]
            assert (verdict, "X-Forwarded-Proto" in text) == ("wrong", True)
