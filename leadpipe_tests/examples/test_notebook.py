"""The notebook: run from top to bottom by a kernel of its own, on published tables."""

import nbformat
import pytest
from nbclient import NotebookClient

from leadpipe.published.reading import query
from leadpipe_tests.docs.markdown import ROOT

_NOTEBOOK = ROOT / "examples" / "notebook" / "leads.ipynb"
_SECONDS = 60


@pytest.fixture
def notebook():
    """The notebook as it is in the repository."""
    return nbformat.read(_NOTEBOOK, as_version=4)


def test_it_is_kept_without_what_it_printed(notebook):
    """No output and no number of a run is committed: they would be somebody's data."""
    nbformat.validate(notebook)
    printed = [
        cell
        for cell in notebook.cells
        if cell.cell_type == "code" and (cell.outputs or cell.execution_count)
    ]
    assert printed == []


@pytest.mark.filterwarnings("ignore::DeprecationWarning:jupyter_client")
def test_it_runs_from_top_to_bottom(notebook, published, monkeypatch, tmp_path):
    """Every cell runs, and what it shows is what the tables have."""
    monkeypatch.setenv("LEADPIPE_DATA_DIR", str(published.parent))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "jupyter"))
    client = NotebookClient(
        notebook,
        timeout=_SECONDS,
        startup_timeout=_SECONDS,
        resources={"metadata": {"path": str(tmp_path)}},
    )
    client.execute()
    shown = [
        output.data["text/plain"]
        for cell in notebook.cells
        if cell.cell_type == "code"
        for output in cell.outputs
        if output.output_type == "execute_result"
    ]
    assert len(shown) == sum(cell.cell_type == "code" for cell in notebook.cells)
    [(leads, listings)] = query(
        published, "SELECT (SELECT count(*) FROM grouped_leads), (SELECT count(*) FROM listings)"
    ).rows
    assert shown[0] == f"({leads}, {listings})"
    [(most,)] = query(
        published,
        "SELECT count(*) AS leads FROM grouped_leads GROUP BY coalesce(first_utm_source, '(none)') "
        "ORDER BY leads DESC LIMIT 1",
    ).rows
    assert str(most) in shown[3]
    assert "proved" in shown[-1]
