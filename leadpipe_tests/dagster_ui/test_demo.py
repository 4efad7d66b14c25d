"""What a new user finds in the Dagster UI after `leadpipe demo`: nothing that waits for them."""

import os
import subprocess
import sys

from leadpipe_tests.dagster_ui.processes import REPOSITORY, dagster_ui, free_port, wait_for

_SHOWN = """
{ assetNodes {
    assetKey { path }
    assetMaterializations(limit: 1) { timestamp }
    freshnessStatusInfo { freshnessStatus }
    assetChecksOrError { ... on AssetChecks { checks {
      name executionForLatestMaterialization { status evaluation { success } }
    } } }
} }
"""


def _waiting(nodes):
    """Assets that never were, that are not fresh, and checks that were not made or are red."""
    for node in nodes:
        name = "/".join(node["assetKey"]["path"])
        if not node["assetMaterializations"]:
            yield f"{name} never was"
        freshness = node["freshnessStatusInfo"]
        if freshness and freshness["freshnessStatus"] != "HEALTHY":
            yield f"{name} is {freshness['freshnessStatus']}"
        for check in node["assetChecksOrError"].get("checks", []):
            made = check["executionForLatestMaterialization"]
            if made is None or made["status"] != "SUCCEEDED" or not made["evaluation"]["success"]:
                yield f"{name}: {check['name']} {made and made['status']}"


def test_nothing_waits_after_the_demo(machine_clock, tmp_path):
    """Every asset was materialised, every check was made and is green, nothing is overdue."""
    ours = ("LEADPIPE_", "POSTHOG_", "NPA_", "DAGSTER_")
    env = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    env |= {
        "PYTHONPATH": os.pathsep.join((str(REPOSITORY), os.environ["PYTHONPATH"])),
        "DAGSTER_HOME": str(tmp_path),
        "LEADPIPE_WAREHOUSE": str(tmp_path / "data" / "leadpipe.duckdb"),
    }
    size = ("--events", "2000", "--days", "10", "--port", str(free_port()))
    done = subprocess.run(
        [sys.executable, "-m", "leadpipe", "demo", *size],
        cwd=tmp_path,
        env=env,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Anyone can check it" in done.stdout
    with dagster_ui(tmp_path, env) as ui:
        last: list[str] = []

        def nothing_waits():
            nodes = ui.ask(_SHOWN)["assetNodes"]
            last[:] = _waiting(nodes)
            return len(nodes) if nodes and not last else None

        try:
            shown = wait_for("nothing that waits", nothing_waits, seconds=120, every=2.0)
        except AssertionError as error:
            raise AssertionError(f"{error}: {last}") from None
    assert shown > 30
