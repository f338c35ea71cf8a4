"""Windows paths on other systems, where they name nothing."""

import os
import re
from pathlib import Path

from visus.vision.errors import VisusError


def refuse_windows_path(text: str, what: str) -> None:
    """Stop at a path that only Windows understands.

    Args:
        text: As it was typed.
        what: What it names, for the message: `source`.

    Raises:
        VisusError: If it has a drive letter or backslashes, this is another system, and no file is
            called so.
    """
    drive = re.match(r"([A-Za-z]):[\\/]", text)
    if os.name == "nt" or not (drive or "\\" in text) or Path(text).exists():
        return
    path = text.replace("\\", "/")
    if drive:
        path = f"/mnt/{drive[1].lower()}{path[2:]} in WSL"
    raise VisusError(
        f"{what} '{text}': is a Windows path, and this is another system; "
        f"write it with slashes, such as {path}"
    )
