"""The built wheel, installed far from the checkout."""

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent


def install_wheel(folder: Path) -> Path:
    """Build the wheel of the checkout; returns a folder with nothing but what it installs."""
    source = folder / "source"
    ignored = shutil.ignore_patterns(
        ".git", ".venv", "runs", "demo", "build", "*.egg-info", "__pycache__"
    )
    shutil.copytree(ROOT, source, ignore=ignored, symlinks=True)
    pip = [sys.executable, "-m", "pip", "--quiet"]
    build = [*pip, "wheel", "--no-deps", "--wheel-dir", str(folder), str(source)]
    subprocess.run(build, check=True)
    (wheel,) = folder.glob("visus-*.whl")
    target = folder / "site"
    subprocess.run([*pip, "install", "--no-deps", "--target", str(target), str(wheel)], check=True)
    shutil.rmtree(source)
    return target
