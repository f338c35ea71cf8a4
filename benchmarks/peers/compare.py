"""Compare visus with its peers: the same minutes, cores, images, starting weights and evaluation.

python benchmarks/peers/compare.py --tasks classification --data flowers --minutes 5 15 --seeds 1 3

README.md in this folder says what is compared. The same command continues a stopped comparison.
"""

import argparse
import platform
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from entries import TASKS, entries
from environments import default_folder, interpreter
from prepared import Dataset, prepare
from rich.table import Table
from table import HEADINGS, markdown, notes, rows
from trials import Result, read_results, run_trial, write_results

from visus.apps.console import console
from visus.vision.cores import usable_cores
from visus.vision.errors import VisusError
from visus.vision.masks import IGNORE
from visus.vision.output_files import write_text

EXIT_BAD_INPUT, EXIT_PARTLY = 2, 3


@dataclass(frozen=True)
class Planned:
    """A training that is to be measured.

    Attributes:
        dataset: The data.
        minutes: The time.
        seed: The seed.
        entry: The name of the entry.
    """

    dataset: Dataset
    minutes: float
    seed: int
    entry: str

    @property
    def key(self) -> tuple[str, str, str, float, int]:
        """See `Result.key`."""
        return self.dataset.task, self.dataset.name, self.entry, self.minutes, self.seed

    @property
    def folder(self) -> str:
        """The name of its working folder."""
        return "-".join(map(str, (*self.key[:3], f"{self.minutes:g}m", self.seed)))


def parse(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the arguments, and refuse lists of different lengths."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", nargs="+", choices=TASKS, required=True)
    parser.add_argument(
        "--data", nargs="+", type=Path, required=True, help="a data set for each task, in its order"
    )
    parser.add_argument("--minutes", nargs="+", type=float, default=[5.0, 15.0])
    parser.add_argument(
        "--seeds", nargs="+", type=int, default=[1, 3], help="number of seeds for each of --minutes"
    )
    parser.add_argument(
        "--entries", nargs="+", metavar="NAME", help="entries.py names them; all by default"
    )
    parser.add_argument(
        "--ignore", type=int, default=IGNORE, help="value of unlabelled pixels in masks"
    )
    parser.add_argument(
        "--output",
        type=Path,
        default=Path("runs/peers.md"),
        help="the table as Markdown; results go to the same name with .json, data and logs to a "
        "folder without an ending",
    )
    parser.add_argument(
        "--environments",
        type=Path,
        default=default_folder(),
        help="virtual environments of the peers",
    )
    given = parser.parse_args(argv)
    for first, second in (("tasks", "data"), ("minutes", "seeds")):
        if len(getattr(given, first)) != len(getattr(given, second)):
            parser.error(f"--{first} and --{second} need equally many values")
    if given.output.suffix != ".md":
        parser.error(f"--output {given.output}: must end in .md")
    known = {entry.name for task in given.tasks for entry in entries(task)}
    given.entries = given.entries or sorted(known)
    for name in given.entries:
        if name not in known:
            parser.error(f"--entries {name}: is none of {', '.join(sorted(known))}")
    return given


def plan(given: argparse.Namespace, datasets: list[Dataset]) -> Iterator[Planned]:
    """All trainings; entries take turns, so that other load on the machine affects all alike."""
    for dataset in datasets:
        for minutes, seeds in zip(given.minutes, given.seeds, strict=True):
            for seed in range(seeds):
                for entry in entries(dataset.task):
                    if entry.name in given.entries:
                        yield Planned(dataset, minutes, seed, entry.name)


def describe_machine() -> str:
    """The processor, and how many of its cores may be used."""
    processor = platform.processor() or platform.machine()
    cpus = Path("/proc/cpuinfo")
    if cpus.is_file():
        lines = cpus.read_text(encoding="utf-8").splitlines()
        names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
        processor = names[0] if names else processor
    return f"{processor}, {usable_cores()} cores"


def show(results: list[Result], output: Path) -> None:
    """Print the table, and write it as Markdown."""
    table = Table(*HEADINGS)
    for row in rows(results):
        table.add_row(*row)
    console().print(table)
    print("\n".join(notes(results)))
    write_text(output, markdown(results))


def compare(given: argparse.Namespace) -> int:
    """Measure what is not measured yet; returns the exit code."""
    work = given.output.resolve().with_suffix("")
    stored = work.with_suffix(".json")
    results = read_results(stored)
    chosen = {entry.name: entry for task in given.tasks for entry in entries(task)}
    for name in given.entries:
        if chosen[name].options is None:
            interpreter(name, given.environments)
    pairs = zip(given.tasks, given.data, strict=True)
    datasets = [prepare(task, path, work / "data", given.ignore) for task, path in pairs]
    machine = describe_machine()
    failed = False
    planned = list(plan(given, datasets))
    for number, trial in enumerate(planned, start=1):
        if trial.key in {result.key for result in results}:
            continue
        print(f"{number} of {len(planned)}: {trial.folder}", flush=True)
        try:
            result = run_trial(
                trial.entry,
                trial.dataset,
                trial.minutes,
                trial.seed,
                work / "trials" / trial.folder,
                given.environments,
                machine,
            )
        except VisusError as error:
            print(f"{trial.folder}: {error}", file=sys.stderr)
            failed = True
            continue
        print(f"  {result.figure:.4f}, {result.training_minutes:.2f} minutes of training")
        results.append(result)
        write_results(stored, results)
    if results:
        show(results, given.output)
    return EXIT_PARTLY if failed else 0


def main() -> int:
    """Compare; exit code 2 for bad input, 3 if a training failed."""
    try:
        return compare(parse())
    except VisusError as error:
        print(error, file=sys.stderr)
        return EXIT_BAD_INPUT


if __name__ == "__main__":
    sys.exit(main())
