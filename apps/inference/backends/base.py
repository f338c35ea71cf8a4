"""Shared by all runtimes of exported files: keys of the metadata, precisions, cores, errors."""

from pathlib import Path
from typing import Protocol

from visus.vision.cores import usable_cores
from visus.vision.errors import VisusError
from visus.vision.model import Network

METADATA_KEY = "visus"
"""The key of the metadata, as JSON, in an exported file."""

PRECISION_KEY = "visus_precision"
"""The key of the precision in an exported file; one without it computes in float32."""

DIGEST_KEY = "visus_digest"
"""The key of the file's digest in an exported file; see `visus.apps.inference.integrity`."""

PRECISIONS = ("fp32", "bf16", "int8")
"""Precisions of exported files: float32; bfloat16 where CPU and runtime support it; int8."""


class ExportedNetwork(Network, Protocol):
    """A network of an exported file.

    Attributes:
        metadata: The file's metadata as JSON; None where it has none.
    """

    metadata: str | None


def usable_workers() -> int:
    """How many threads keep all cores busy: one more than cores, as some wait for Python's lock."""
    return usable_cores() + 1


def damaged(path: Path, error: Exception) -> VisusError:
    """The error for a file that cannot be loaded."""
    reason = (str(error).strip() or type(error).__name__).splitlines()[0]
    return VisusError(f"{path}: cannot be loaded ({reason}); export it again")
