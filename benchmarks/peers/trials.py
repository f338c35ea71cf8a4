"""One training of one entry, with the prediction and the measurement that follow."""

import json
import resource
import shutil
import subprocess
import time
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any, TextIO

import own
from entries import own_options
from environments import environment, interpreter, script
from prepared import Dataset
from scores import SUFFIXES, score

from visus.models.weights_manifest import IMAGENET
from visus.vision.errors import VisusError
from visus.vision.output_files import write_text


@dataclass(frozen=True)
class Result:
    """What one training reached.

    Attributes:
        task: The task.
        data: The name of the data set.
        entry: The name of the entry.
        minutes: The minutes that it was given.
        seed: Its seed.
        figure: See `entries.FIGURES`.
        training_minutes: From the start of the process to the stored model.
        total_minutes: From the start to the end, prediction for the validation images included.
        cpu_minutes: Computing time of all processes and cores.
        machine: The processor and the number of usable cores.
        versions: Versions of the packages that trained the model.
    """

    task: str
    data: str
    entry: str
    minutes: float
    seed: int
    figure: float
    training_minutes: float
    total_minutes: float
    cpu_minutes: float
    machine: str
    versions: dict[str, str] = field(default_factory=dict)

    @property
    def key(self) -> tuple[str, str, str, float, int]:
        """What is not measured twice."""
        return self.task, self.data, self.entry, self.minutes, self.seed


def run_trial(
    entry: str,
    dataset: Dataset,
    minutes: float,
    seed: int,
    folder: Path,
    environments: Path,
    machine: str,
) -> Result:
    """Train, predict, and measure.

    Args:
        entry: The name of the entry.
        dataset: The data.
        minutes: The time for training.
        seed: The seed.
        folder: The working folder of the trial; what an earlier one left there is removed.
        environments: Where the environments of the peers are.
        machine: See `Result`.

    Raises:
        VisusError: If a process fails, or its predictions are not those of the images.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    output = folder / SUFFIXES[dataset.task]
    options = own_options(dataset.task, entry)
    before, start = _computed(), time.perf_counter()
    with (folder / "log.txt").open("w", encoding="utf-8") as log:
        if options is not None:
            trained = own.train(dataset, options, minutes, seed, folder, log)
            own.predict(dataset, folder, output, log)
            versions = {name: version(name) for name in ("visus", "torch")}
        else:
            python = str(interpreter(entry, environments))
            command = [python, str(script(entry)), *_arguments(dataset, minutes, seed, output)]
            _run_script(command, log)
            report = json.loads((folder / "trained.json").read_text(encoding="utf-8"))
            trained, versions = report["seconds"], report["versions"]
    total = time.perf_counter() - start
    return Result(
        dataset.task,
        dataset.name,
        entry,
        minutes,
        seed,
        score(dataset, output),
        trained / 60,
        total / 60,
        (_computed() - before) / 60,
        machine,
        versions,
    )


def read_results(path: Path) -> list[Result]:
    """The results of earlier trials; empty where there is no such file.

    Raises:
        VisusError: If the file is damaged.
    """
    if not path.exists():
        return []
    try:
        return [Result(**entry) for entry in json.loads(path.read_text(encoding="utf-8"))]
    except (ValueError, TypeError) as error:
        raise VisusError(
            f"{path}: holds no results ({error}); remove it, or name another"
        ) from error


def write_results(path: Path, results: list[Result]) -> None:
    """Write all results; the file is replaced at once."""
    write_text(path, json.dumps([asdict(result) for result in results], indent=1) + "\n")


def _arguments(dataset: Dataset, minutes: float, seed: int, output: Path) -> list[str]:
    """The arguments of a peer's script."""
    weights = next(entry for entry in IMAGENET if entry.network == "tf_efficientnet_lite0").path()
    values: dict[str, Any] = {
        "train": dataset.split("train"),
        "val": dataset.split("val"),
        "minutes": minutes,
        "seed": seed,
        "weights": weights,
        "output": output,
        "started": time.time(),
    }
    return [text for name, value in values.items() for text in (f"--{name}", str(value))]


def _run_script(command: list[str], log: TextIO) -> None:
    log.write(f"$ {' '.join(command)}\n")
    log.flush()
    folder = Path(log.name).parent
    done = subprocess.run(
        command, cwd=folder, env=environment(), stdout=log, stderr=subprocess.STDOUT
    )
    if done.returncode:
        raise VisusError(f"{command[1]} ended with {done.returncode}; see {log.name}")


def _computed() -> float:
    """Seconds that all ended children of this process computed."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
