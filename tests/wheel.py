"""The built wheel, installed far from the checkout."""

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
_PIP = [sys.executable, "-m", "pip", "--quiet"]


def install_wheel(folder: Path) -> Path:
    """Build the wheel of the checkout; returns a folder with nothing but what it installs."""
    wheel = build_wheel(folder)
    target = folder / "site"
    subprocess.run([*_PIP, "install", "--no-deps", "--target", str(target), str(wheel)], check=True)
    return target


def build_wheel(folder: Path, checkout: Path = ROOT) -> Path:
    """Build the wheel of a checkout in a folder; returns its path."""
    source = folder / "source"
    copy_checkout(checkout, source)
    build = [*_PIP, "wheel", "--no-deps", "--wheel-dir", str(folder), str(source)]
    subprocess.run(build, check=True)
    shutil.rmtree(source)
    (wheel,) = folder.glob("visus-*.whl")
    return wheel


def copy_checkout(checkout: Path, target: Path) -> None:
    """Copy what a build reads."""
    ignored = shutil.ignore_patterns(
        ".git", ".venv", ".*_cache", "runs", "demo", "build", "*.egg-info", "__pycache__"
    )
    shutil.copytree(checkout, target, ignore=ignored, symlinks=True)
