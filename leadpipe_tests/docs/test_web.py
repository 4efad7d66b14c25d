"""docs/web.md and the workflow it offers: the addresses, answers and schedule there really are."""

import re
from datetime import UTC, datetime

import yaml
from starlette.routing import Route

from leadpipe.settings import whole_settings
from leadpipe.web.app import create_app
from leadpipe_tests.docs.markdown import ROOT, blocks, prose, sections, table_rows

_PAGE = ROOT / "docs" / "web.md"
_WORKFLOW = ROOT / "docs" / "sync-visitors.yml"


def routes(tmp_path):
    """The application's paths with their methods."""
    app = create_app(
        whole_settings()(_env_file=None, data_dir=tmp_path), clock=lambda: datetime.now(UTC)
    )
    return {route.path: route.methods or set() for route in app.routes if isinstance(route, Route)}


def test_every_address_on_the_page_is_served(tmp_path):
    """Paths in the text and in the curl commands exist, with the method that is used."""
    served = routes(tmp_path)
    text = prose(_PAGE)  # the proxies' blocks have beginnings of paths
    named = set(re.findall(r"(/api/[a-z/-]+|/healthz|/readyz|/metrics|/admin/sync)", text)) - {
        "/api/cron/"
    }
    assert sorted(named - served.keys()) == []
    for block in blocks(_PAGE, "bash"):
        for line in block.text.splitlines():
            if line.startswith("curl"):
                path = re.search(r"localhost:3002(/\S+)", line)
                assert path is not None
                assert ("POST" if "-X POST" in line else "GET") in served[path[1]]


def test_the_answers_are_those_the_webhook_tests_expect():
    """Each status of the table is given somewhere in the code, and no other."""
    said = {row[0] for row in table_rows(sections(_PAGE, level=2)["Connect PostHog's webhook"])}
    code = "".join(
        (ROOT / "leadpipe" / name).read_text()
        for name in ("inbox/pages.py", "web/guards.py", "web/bodies.py")
    )
    given = set(re.findall(r"Refusal\(\s*(\d{3})", code)) | {"200", "405", "422"}
    assert said == given


def test_the_workflow_calls_the_endpoint_with_its_secret(tmp_path):
    """It is valid YAML, runs every six hours and by hand, and keeps the secret out of the address."""
    workflow = yaml.safe_load(_WORKFLOW.read_text())
    triggers = workflow[True]  # YAML reads `on` as true
    assert triggers["schedule"] == [{"cron": "20 */6 * * *"}]
    assert "workflow_dispatch" in triggers
    (step,) = workflow["jobs"]["sync"]["steps"]
    path = re.search(r"\$APP_URL(/\S+)\"", step["run"])
    assert path is not None
    assert "POST" in routes(tmp_path)[path[1]]
    assert step["env"] == {
        "APP_URL": "${{ secrets.APP_URL }}",
        "CRON_SECRET": "${{ secrets.CRON_SECRET }}",
    }
    assert "CRON_SECRET" not in path[1]
