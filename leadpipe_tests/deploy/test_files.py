"""What stands in deploy/: rules for the Dockerfile, the compose file, the units and the proxies."""

import json
import os
import re
import shlex
import shutil
import subprocess

import pytest
import yaml

import leadpipe
from leadpipe.cli.worker import worker
from leadpipe.queues import QUEUES
from leadpipe.settings import whole_settings
from leadpipe_tests.deploy.containers import Container, Mount, of_the_system, system_files, why_not
from leadpipe_tests.deploy.images import DOCKERFILE, IGNORED, is_left_out, pairs, stages
from leadpipe_tests.deploy.machines import unit
from leadpipe_tests.deploy.services import COMPOSE, HOST_PROXY, NotSet, read
from leadpipe_tests.docs.markdown import ROOT, blocks
from leadpipe_tests.security.proxies import documented

_DEPLOY = ROOT / "deploy"
_UNITS = sorted((_DEPLOY / "systemd").glob("*.service"))
_PROGRAMS = ("page", "dagster", "daemon")
_WORKERS = ("worker", "edge")
_STORES = ("postgres", "redis", "objects")
_NAME = {"LEADPIPE_WEB_NAMES": "stats.example.org"}
_EXPOSURE = 25
"""Of 100, by `systemd-analyze security`: below is better, and 92 is a unit that says nothing."""


def first_and_last():
    """The two stages of the Dockerfile."""
    first, last = stages(DOCKERFILE.read_text())
    return first, last


def test_the_image_is_small_and_says_what_it_is():
    """Two stages on one named base; nothing of the first but the environment; labels, no secrets."""
    first, last = first_and_last()
    assert first.base == last.base == "${PYTHON}"
    [base] = re.findall(r"^ARG PYTHON=(\S+)$", DOCKERFILE.read_text(), re.MULTILINE)
    assert re.fullmatch(r"docker\.io/library/python:3\.\d+-slim-\w+", base)
    froms = [words for words in last.all("COPY") if "--from=" in words]
    assert froms == ["--from=build /opt/leadpipe /opt/leadpipe"]
    labels = {key: value for words in last.all("LABEL") for key, value in pairs(words).items()}
    assert labels["org.opencontainers.image.licenses"] == "Apache-2.0"
    assert labels["org.opencontainers.image.version"] == "${VERSION}"
    assert any("NOTICE" in words and "LICENSE" in words for words in last.all("COPY"))
    text = DOCKERFILE.read_text()
    assert re.findall(r"(?i)(secret|token|password|api_key)", text) == []
    assert [name for name, _ in (*first.instructions, *last.instructions) if name == "ADD"] == []


def test_the_image_installs_what_is_locked_and_nothing_else():
    """With checksums, without builds of others' code, without an installer in the environment."""
    first, last = first_and_last()
    installs = [words for words in first.all("RUN") if " install " in words]
    for words in installs:
        if "--requirement" in words:
            assert {"--no-deps", "--require-hashes", "--only-binary"} <= {*words.split()}
        else:
            assert words.split()[-1] == "/wheel/*.whl"
            assert {"--no-deps", "--no-index"} <= {*words.split()}
    assert sum("requirements-production.lock" in words for words in installs) == 1
    assert any("venv --without-pip" in words for words in first.all("RUN"))
    assert [
        words for words in last.all("RUN") if re.search(r"\b(pip|apt|apt-get|curl)\b", words)
    ] == []


def test_the_image_runs_as_nobody_special():
    """A fixed user that is not root, one volume, a health check, commands without a shell between."""
    _, last = first_and_last()
    assert last.all("USER") == ["10001:10001"]
    assert last.all("VOLUME") == ['["/srv/leadpipe/data"]']
    names = [name for name, _ in last.instructions]
    assert names.index("USER") < names.index("CMD")
    [check] = last.all("HEALTHCHECK")
    assert all(option in check for option in ("--interval=", "--timeout=", "--start-period="))
    for words in (*last.all("CMD"), check.partition(" CMD ")[2]):
        assert all(isinstance(word, str) for word in json.loads(words))


@pytest.mark.parametrize(
    "path",
    [
        ".env", "deploy/.env", ".git/config", "data/leadpipe.duckdb", "data/admin_token", ".venv/bin/python",
        "leadpipe_tests/conftest.py", "leadpipe/__pycache__/text.pyc", "dist/leadpipe.whl",
        "benchmarks/out/x", "deploy/compose.yaml",
    ],
)  # fmt: skip
def test_the_build_does_not_see_what_is_not_the_images(path):
    """No secret, data, history or test gets into a layer."""
    rules = [line for line in IGNORED.read_text().splitlines() if line and line[0] != "#"]
    assert is_left_out(path, rules)
    assert not is_left_out("leadpipe/cli/up.py", rules)


@pytest.mark.parametrize("name", [*_PROGRAMS, *_WORKERS, *_STORES, "prepare", "bucket", "proxy"])
def test_a_service_has_no_more_rights_than_it_needs(name):
    """Read-only, no capabilities, no new ones, a restart, a log that ends."""
    service = read(COMPOSE, variables=_NAME)["services"][name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service.get("cap_add", []) == (["NET_BIND_SERVICE"] if name == "proxy" else [])
    assert service["security_opt"] == ["no-new-privileges:true"]
    ends_by_itself = name in {"prepare", "bucket"}
    assert service["restart"] == ("on-failure" if ends_by_itself else "unless-stopped")
    assert {"max-size", "max-file"} <= {*service["logging"]["options"]}
    assert not {"privileged", "pid", "ipc", "network_mode", "devices"} & {*service}


@pytest.mark.parametrize("name", [*_PROGRAMS, *_WORKERS])
def test_a_program_is_reached_through_the_proxy_alone(name):
    """It publishes no port, and is of the image's user; its secrets come from a file of their own."""
    service = read(COMPOSE, variables=_NAME)["services"][name]
    assert "ports" not in service
    assert service["user"] == "10001:10001"
    assert service["env_file"] == ".env"
    assert [key for key in service["environment"] if re.search("KEY|SECRET|TOKEN", key)] == []
    assert service["image"] == f"leadpipe:{leadpipe.__version__}"
    assert service["build"]["args"]["VERSION"] == leadpipe.__version__
    assert "data:/srv/leadpipe/data" in service["volumes"]
    assert service["healthcheck"]["test"][:2] == ["CMD", "healthcheck"]


def test_the_proxys_address_is_the_one_that_is_believed():
    """Fixed addresses, all of one network; FORWARDED_ALLOW_IPS is the proxy's, on the host the gateway's."""
    whole = read(COMPOSE, variables=_NAME)
    proxy = whole["services"]["proxy"]["networks"]["leadpipe"]["ipv4_address"]
    [pool] = whole["networks"]["leadpipe"]["ipam"]["config"]
    both = read(COMPOSE, HOST_PROXY, variables=_NAME)
    for name in _PROGRAMS:
        assert whole["services"][name]["environment"]["FORWARDED_ALLOW_IPS"] == proxy
        assert both["services"][name]["environment"]["FORWARDED_ALLOW_IPS"] == pool["gateway"]
    published = [port for name in _PROGRAMS for port in both["services"][name].get("ports", ())]
    assert published == ["127.0.0.1:3002:3002", "127.0.0.1:3000:3000"]


def test_a_cluster_is_whole():
    """Without the profile there is none of it; with it each part is healthy before who needs it starts."""
    whole = read(COMPOSE, variables=_NAME)
    services = whole["services"]
    assert {name for name, one in services.items() if "cluster" in one.get("profiles", ())} == {
        *_WORKERS, *_STORES, "prepare", "bucket",
    }  # fmt: skip
    for name, service in services.items():
        for other, how in service.get("depends_on", {}).items():
            assert other in services
            is_there = "profiles" not in services[other] or services[other].get(
                "profiles"
            ) == service.get("profiles")
            assert is_there or how["required"] is False, f"{name} would want {other}'s profile"
            if how["condition"] == "service_healthy":
                assert "healthcheck" in services[other]
    for name in _STORES:
        assert "ports" not in services[name]
        assert f"{name}:" in services[name]["volumes"][0]
        assert {"interval", "timeout", "start_period", "retries"} <= {
            *services[name]["healthcheck"]
        }
    assert {
        volume.partition(":")[0] for name in _STORES for volume in services[name]["volumes"][:1]
    } <= {*whole["volumes"]}
    keepalives = [word for word in services["postgres"]["command"] if "keepalives" in word]
    assert len(keepalives) == 3


def test_the_queues_of_the_workers_are_all_of_them():
    """What one worker does not take another one does: by the compose file, and by the units."""
    services = read(COMPOSE, variables=_NAME)["services"]
    started = [services[name]["command"] for name in _WORKERS]
    units = [
        shlex.split(
            unit((_DEPLOY / "systemd" / f"leadpipe-{name}.service").read_text())["ExecStart"][0]
        )
        for name in _WORKERS
    ]
    default = next(str(option.default) for option in worker.params if option.name == "queues")
    for commands in (started, [["leadpipe", *words[1:]] for words in units]):
        assert [words[:2] for words in commands] == [["leadpipe", "worker"]] * 2
        taken = [
            words[words.index("--queue") + 1] if "--queue" in words else default
            for words in commands
        ]
        assert sorted(",".join(taken).split(",")) == sorted(QUEUES)


def test_the_files_that_a_cluster_starts_with_are_there():
    """The databases of the settings in docs/lake.md are made, and the image has both of Dagster's files."""
    page = (ROOT / "docs" / "lake.md").read_text()
    made = re.findall(
        r"CREATE DATABASE (\w+);", (_DEPLOY / "cluster" / "databases.sql").read_text()
    )
    assert made == ["lake", "state", "dagster"]
    [lines] = [block.text for block in blocks(ROOT / "docs" / "lake.md", "env")]
    given = dict(line.split("=", 1) for line in lines.splitlines() if line and line[0] != "#")
    assert "dbname=lake" in given["LEADPIPE_LAKE_POSTGRES"]
    assert given["DAGSTER_PG_URL"].endswith("@postgres/dagster")
    _, last = first_and_last()
    assert "--chmod=0644 leadpipe/cluster/dagster.yaml /srv/leadpipe/cluster/" in last.all("COPY")
    assert given["DAGSTER_HOME"] == "/srv/leadpipe/cluster"
    variables = {**given, **_NAME}
    services = read(COMPOSE, variables=variables)["services"]
    assert (
        f":{services['redis']['environment']['REDISCLI_AUTH']}@redis:" in given["LEADPIPE_BROKER"]
    )
    assert given["REDIS_PASSWORD"] in services["redis"]["command"]
    assert services["postgres"]["environment"]["POSTGRES_PASSWORD"] == given["PGPASSWORD"]
    assert services["objects"]["environment"] == {
        "AWS_ACCESS_KEY_ID": given["LEADPIPE_LAKE_KEY_ID"],
        "AWS_SECRET_ACCESS_KEY": given["LEADPIPE_LAKE_SECRET"],
    }
    known = {field.alias or name.upper() for name, field in whole_settings().model_fields.items()}
    assert {*given} - known == {"PGPASSWORD", "REDIS_PASSWORD"}
    assert "deploy/cluster/reader.sql" in page


def test_a_page_without_a_name_does_not_start():
    """The compose file wants the name, and says how to set it."""
    with pytest.raises(NotSet, match=r"LEADPIPE_WEB_NAMES: set it in \.env .* stats\.example\.org"):
        read(COMPOSE, variables={})


@pytest.mark.parametrize(
    "files", [[COMPOSE], [COMPOSE, HOST_PROXY]], ids=["own proxy", "host's proxy"]
)
def test_docker_compose_takes_the_file(files, tmp_path):
    """By `docker compose config`, where there is one; else what is read here is all that is known."""
    shutil.copytree(_DEPLOY, tmp_path / "deploy")
    (tmp_path / "deploy" / ".env").write_text("LEADPIPE_WEB_NAMES=stats.example.org\n")
    options = [word for file in files for word in ("--file", file.name)]
    docker = shutil.which("docker")
    if (
        docker is None
        or subprocess.run(
            [docker, "compose", "version"], capture_output=True, check=False
        ).returncode
    ):
        pytest.skip("THE COMPOSE FILE IS READ BY NO DOCKER COMPOSE: there is none here")
    done = subprocess.run(
        [
            *(docker, "compose", *options, "--profile", "proxy", "--profile", "cluster"),
            *("config", "--format", "json"),
        ],
        cwd=tmp_path / "deploy", capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert sorted(json.loads(done.stdout)["services"]) == sorted(
        [*_PROGRAMS, *_WORKERS, *_STORES, "prepare", "bucket", "proxy"]
    )


def test_the_compose_files_say_nothing_twice():
    """YAML that is read without a key that hides another one."""

    class Strict(yaml.SafeLoader):  # type: ignore[misc]
        pass

    def mapping(loader, node):
        keys = [
            loader.construct_object(key)
            for key, _ in node.value
            if key.tag != "tag:yaml.org,2002:merge"
        ]
        assert len(keys) == len(set(keys)), keys
        return yaml.SafeLoader.construct_mapping(loader, node, deep=True)

    Strict.add_constructor("tag:yaml.org,2002:map", mapping)
    for file in (COMPOSE, HOST_PROXY):
        assert yaml.load(file.read_text(), Loader=Strict)


def test_the_proxies_are_those_of_the_pages():
    """deploy/proxy has the blocks of docs/web.md to copy; the one for containers differs by names alone."""
    assert (_DEPLOY / "proxy" / "nginx.conf").read_text() == documented("nginx")
    caddy = documented("caddyfile")
    assert (_DEPLOY / "proxy" / "Caddyfile").read_text() == caddy
    own = (_DEPLOY / "proxy" / "Caddyfile.compose").read_text()
    there = caddy.replace("stats.example.org", "{$LEADPIPE_WEB_NAMES}")
    assert own == there.replace("127.0.0.1:3000", "dagster:3000").replace(
        "127.0.0.1:3002", "page:3002"
    )


@pytest.mark.parametrize("file", _UNITS, ids=lambda path: path.stem)
def test_a_unit_is_shut_in(file):
    """All have the same rights: files, memory, system calls; they differ by what they start."""
    own = unit(file.read_text())
    differing = {"Description", "ExecStart", "After", "JoinsNamespaceOf", "TimeoutStopSec"}
    others = [unit(other.read_text()) for other in _UNITS]
    shared = [{key: one[key] for key in sorted(one) if key not in differing} for one in others]
    assert len(_UNITS) == 5
    assert all(one == shared[0] for one in shared)
    assert own["ReadWritePaths"] == ["/srv/leadpipe/data"]
    assert own["UMask"] == ["0077"]
    assert own["SystemCallFilter"] == ["@system-service", "~@privileged"]
    assert "EnvironmentFile" not in own, "systemd would show its content to everybody"


@pytest.mark.parametrize("file", _UNITS, ids=lambda path: path.stem)
def test_systemd_thinks_a_unit_safe(file):
    """`systemd-analyze security` finds little that it could still take away."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("THE UNITS ARE NOT LOOKED AT BY SYSTEMD: systemd-analyze is not here")
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", f"--threshold={_EXPOSURE}", str(file)],
        check=False, capture_output=True, text=True, env={**os.environ, "SYSTEMD_EMOJI": "0"},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-300:] + done.stderr


def test_systemd_understands_the_units(tmp_path):
    """`systemd-analyze verify` has nothing to say: every setting is known, and what they start is there."""
    if shutil.which("systemd-analyze") is None or why_not():
        pytest.skip(f"THE UNITS ARE NOT VERIFIED: no systemd-analyze, or {why_not()}")
    for name in ("leadpipe", "dagster-daemon"):
        program = tmp_path / "opt" / "leadpipe" / "bin" / name
        program.parent.mkdir(parents=True, exist_ok=True)
        program.write_text("#!/bin/sh\n")
        program.chmod(0o755)
    units = tmp_path / "units"
    units.mkdir()
    for file in _UNITS:
        shutil.copy(file, units)
    etc = system_files(tmp_path)
    with (etc / "passwd").open("a") as users:
        users.write("leadpipe:x:10001:10001::/srv/leadpipe:/usr/sbin/nologin\n")
    aside = tmp_path / "aside"
    aside.mkdir()
    container = Container(
        aside,
        [
            *of_the_system(with_packages=False), Mount("/opt", tmp_path / "opt"), Mount("/etc", etc),
            Mount("/units", units), Mount("/tmp", options="mode=1777"), Mount("/srv", options="mode=0755"),
        ],
        {"PATH": "/usr/bin:/bin"}, "/", user=0, capabilities="+all", is_read_only=False,
    )  # fmt: skip
    said = container.run("systemd-analyze", "verify", *(f"/units/{file.name}" for file in _UNITS))
    assert [line for line in said.splitlines() if "leadpipe" in line] == []


def test_operations_and_the_units_are_one():
    """The page about services shows no unit of its own that could differ."""
    shown = [block.text for block in blocks(ROOT / "docs" / "operations.md", "ini")]
    assert [text for text in shown if "[Service]" in text] == []
