"""The virtual environment of each peer, which visus is not installed in and never imports from."""

import hashlib
import os
import subprocess
import sys
import venv
from pathlib import Path

from visus.vision.errors import VisusError

_HERE = Path(__file__).parent
_STAMP = "visus-requirements.txt"


def default_folder() -> Path:
    """Where environments are created."""
    cache = os.environ.get("XDG_CACHE_HOME", "") or str(Path.home() / ".cache")
    return Path(cache) / "visus" / "peers"


def script(peer: str) -> Path:
    """The script of a peer."""
    return _HERE / peer / "train.py"


def interpreter(peer: str, folder: Path) -> Path:
    """The Python of a peer's environment, which is created and filled on first use.

    Args:
        peer: The name of the peer's folder.
        folder: Where environments are created.

    Raises:
        VisusError: If the installation fails.
    """
    requirements = _HERE / peer / "requirements.txt"
    digest = hashlib.sha256(requirements.read_bytes()).hexdigest()
    root = folder / peer
    python = root / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    stamp = root / _STAMP
    if stamp.is_file() and stamp.read_text(encoding="utf-8") == digest:
        return python
    print(f"installing {requirements} in {root}", flush=True)
    venv.create(root, with_pip=True, clear=not stamp.exists() and root.exists())
    command = [str(python), "-m", "pip", "install", "--quiet", "--requirement", str(requirements)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        reason = (done.stderr.strip() or "pip printed nothing").splitlines()[-1]
        raise VisusError(f"{requirements}: cannot be installed: {reason}")
    stamp.write_text(digest, encoding="utf-8")
    return python


def environment() -> dict[str, str]:
    """The environment variables of a peer's script: it finds `common`, and nothing of visus."""
    return {**os.environ, "PYTHONPATH": str(_HERE / "common"), "PYTHONNOUSERSITE": "1"}
