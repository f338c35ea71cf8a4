"""Exported folders on machines that have nothing installed but their requirements."""

import os
import re
import subprocess
import sys
from importlib.metadata import distribution
from pathlib import Path

import pytest


@pytest.fixture
def edge(tmp_path):
    """Runs an exported folder's program with nothing installed but its requirements."""

    def install(bundle: Path):
        requirements = (bundle / "requirements-edge.txt").read_text().splitlines()
        assert not any(name in " ".join(requirements) for name in ("torch", "timm", "lightning"))
        site = tmp_path / "site"
        site.mkdir()
        for package in closure(line.partition("==")[0] for line in requirements):
            tops = {Path(str(file)).parts[0] for file in package.files or []}
            for top in tops - {"..", "bin", "__pycache__"}:
                source = Path(str(package.locate_file(top)))
                if source.exists() and not (site / top).exists():
                    (site / top).symlink_to(source)
        assert not (site / "torch").exists() and not (site / "visus").exists()
        environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
        environment["PYTHONPATH"] = str(site)
        # Away from where visus is installed, and without this environment's packages.
        program = [sys.executable, "-S", "-P", str(bundle.resolve() / "run.py")]

        def run(*arguments):
            command = [*program, *map(str, arguments)]
            done = subprocess.run(command, env=environment, capture_output=True, text=True)
            return done.returncode, done.stdout, done.stderr

        return run

    return install


def closure(requirements):
    """The distributions that these need, by name."""
    wanted, found = [*requirements], {}
    while wanted:
        name = re.split(r"[^\w.-]", wanted.pop())[0].replace(
            "opencv-python-headless", "opencv-python"
        )
        if name.lower() in found:
            continue
        found[name.lower()] = distribution(name)
        needs = found[name.lower()].requires or []
        wanted += [need for need in needs if "extra ==" not in need]
    return found.values()
