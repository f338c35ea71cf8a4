"""A process of a cluster that predicts partitions: it loads the model once."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from visus.apps.inference.loading import load_model
from visus.apps.live.cameras import Camera
from visus.apps.live.loop import JsonLinesWriter, run_loop
from visus.apps.live.sources.files import ImageSource
from visus.tasks.options import Session
from visus.tasks.registry import task_spec
from visus.vision.output_files import replacing


@dataclass(frozen=True)
class Job:
    """What all partitions have in common; it is sent to each worker.

    Attributes:
        model: The model's absolute path, or the name of ready-made weights.
        runtime: Its runtime; None for the fastest.
        values: Values of the task's options.
        folder: The folder that the names of images are relative to.
        cores: Cores of a worker.
        private: Whether only the user may read the output.
    """

    model: str
    runtime: str | None
    values: Mapping[str, Any]
    folder: str
    cores: int
    private: bool


class PartitionPredictor:
    """Predicts the images of partitions, and writes the file of each once it is complete.

    Args:
        job: The job.
    """

    def __init__(self, job: Job) -> None:
        self._job = job
        self._model = load_model(job.model, job.runtime, job.cores)

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        """Predict a partition.

        Args:
            row: `images`, their names in order, and `file`, where to write.

        Returns:
            The number of `images` and of `problems` among them.
        """
        rows = self.predict([str(name) for name in row["images"]])
        with replacing(Path(row["file"])) as part:
            if self._job.private:
                part.touch(0o600)
            if part.suffix == ".parquet":
                _write_parquet(rows, part)
            else:
                lines = (json.dumps(each, ensure_ascii=False) + "\n" for each in rows)
                part.write_text("".join(lines), encoding="utf-8", errors="backslashreplace")
        return {"images": len(rows), "problems": sum("error" in each for each in rows)}

    def predict(self, names: list[str]) -> list[dict[str, Any]]:
        """A row for each image: what `visus predict --jsonl` writes, or its `error`."""
        paths = [os.path.join(self._job.folder, name) for name in names]
        # A table may name an image twice.
        source = ImageSource([Path(path) for path in dict.fromkeys(paths)])
        spec = task_spec(self._model.metadata.task)
        session: Session = spec.configure(self._model, dict(self._job.values), source)
        collected = _Collected()
        run_loop([Camera(source, session.model, [], [])], collected, True, batched=True)
        rows = []
        for path, name in zip(paths, names, strict=True):
            entry = collected.entries.get(path)
            if entry is None:
                found = (each for each in source.problems if each.startswith(f"{path}: "))
                entry = {"error": next(found, "was not predicted").removeprefix(f"{path}: ")}
            rows.append({"source": name} | {k: v for k, v in entry.items() if k != "source"})
        return rows


class _Collected(JsonLinesWriter):
    """Keeps the objects in memory."""

    def __init__(self) -> None:
        self.entries: dict[str, dict[str, Any]] = {}

    def write(self, entry: dict[str, Any]) -> None:
        """Keep one object."""
        self.entries[entry["source"]] = entry

    def written(self) -> str:
        """See `Sink.written`."""
        return ""

    def close(self) -> None:
        """No file is open."""


def _write_parquet(rows: list[dict[str, Any]], path: Path) -> None:
    """Write rows with the same columns for every task: predictions are JSON."""
    import pyarrow
    import pyarrow.parquet

    place = ("source", "width", "height", "error")
    kinds = [pyarrow.string(), pyarrow.int32(), pyarrow.int32(), pyarrow.string()]
    columns = {name: [row.get(name) for row in rows] for name in place}
    columns["prediction"] = [
        None
        if "error" in row
        else json.dumps({k: v for k, v in row.items() if k not in place}, ensure_ascii=False)
        for row in rows
    ]
    # Arrow has no text for the bytes of a name that is not UTF-8; JSON Lines write them alike.
    for name in ("source", "error", "prediction"):
        columns[name] = [_encodable(text) for text in columns[name]]
    schema = pyarrow.schema([*zip(place, kinds, strict=True), ("prediction", pyarrow.string())])
    pyarrow.parquet.write_table(pyarrow.table(columns, schema=schema), path)


def _encodable(text: str | None) -> str | None:
    return None if text is None else text.encode("utf-8", "backslashreplace").decode("utf-8")
