"""The notebook of the documentation runs from top to bottom."""

import os
import sys
from pathlib import Path

from tests.reliability.counts import SOAK

NOTEBOOK = Path(__file__).parents[2] / "docs/notebook.ipynb"

if SOAK:

    def test_the_notebook_runs_from_top_to_bottom(tmp_path, monkeypatch):
        import nbformat
        from nbclient import NotebookClient

        # As in an activated environment.
        monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=os.pathsep)
        notebook = nbformat.read(NOTEBOOK, as_version=4)
        assert not any(cell.get("outputs") for cell in notebook.cells), "stored without outputs"
        NotebookClient(notebook, timeout=300, kernel_name="python3").execute(cwd=str(tmp_path))
        shown = [output.get("data", {}) for c in notebook.cells for output in c.get("outputs", [])]
        assert sum("image/png" in each or "image/jpeg" in each for each in shown) == 2
