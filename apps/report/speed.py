"""How fast a model is in each runtime on this machine, and the size of its files."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from visus.apps.inference.benchmark import Speed, export_for_benchmark, measure_all
from visus.apps.inference.loading import torch_model
from visus.apps.report.subject import Subject

_SECONDS = 2.0
"""Minimum duration of each measurement."""


@dataclass(frozen=True, eq=False)
class SpeedReport:
    """Speed and size of a model.

    Attributes:
        speeds: One for each runtime, precision and number of cores.
        sizes: Size of each file in MB, by its name.
    """

    speeds: Sequence[Speed]
    sizes: dict[str, float]

    def to_json(self) -> dict[str, Any]:
        """All numbers as plain values."""
        rows = [asdict(each) for each in self.speeds]
        for row in rows:
            # JSON has no NaN.
            row["memory"] = None if math.isnan(row["memory"]) else row["memory"]
        return {"runtimes": rows, "megabytes": self.sizes}


def measure_speed(subject: Subject) -> SpeedReport:
    """Measure every installed runtime on one core and on all; the task is exported for them."""
    name, checkpoint = subject.evaluation.model, subject.evaluation.checkpoint
    sizes = {} if checkpoint is None else {checkpoint.name: _megabytes(checkpoint)}
    model = torch_model(name, subject.task)
    with TemporaryDirectory() as folder:
        exported = export_for_benchmark(model, Path(folder))
        sizes[exported.name if exported.is_file() else "exported folder"] = _megabytes(exported)
    # `latest` may be another run by now.
    measured = name if checkpoint is None else str(checkpoint)
    return SpeedReport(measure_all(measured, seconds=_SECONDS), sizes)


def _megabytes(path: Path) -> float:
    files = [path] if path.is_file() else [each for each in path.rglob("*") if each.is_file()]
    return round(sum(each.stat().st_size for each in files) / 1e6, 3)
