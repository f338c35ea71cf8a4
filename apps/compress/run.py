"""Compress a model: search, write the smallest one, quantise it, measure it on the test data."""

import sys
from collections.abc import Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

from visus.apps.compress.int8 import measure_int8, refuse_foreign_file, write_int8
from visus.apps.compress.measuring import Measured, Stopwatch, assess, assess_file
from visus.apps.compress.search import Limits, Search
from visus.apps.compress.table import PathTable, print_test
from visus.apps.compress.training import Student, refuse_incompressible
from visus.apps.training.evaluation import Evaluation, load_evaluation
from visus.apps.training.reporting import tests_on_validation_data
from visus.tasks.base import VisionTask
from visus.tasks.checkpoint_files import write_checkpoint
from visus.tasks.checkpoints import load_task, read_checkpoint
from visus.tasks.plain_values import plain
from visus.vision.errors import VisusError
from visus.vision.output_files import refuse_overwriting, refuse_unwritable
from visus.vision.printable import printable


def compress(model: str, data: Sequence[str], output: Path | None, limits: Limits) -> None:
    """Compress a model.

    Args:
        model: A checkpoint, a run folder or `latest`.
        data: Arguments of `visus test` that choose the data.
        output: The checkpoint to write; beside that of the model by default. The int8 file is
            written beside it.
        limits: What ends the search.

    Raises:
        VisusError: If the model or its data cannot be used, a file would be lost, or no smaller
            model is within the limits.
    """
    evaluation = load_evaluation(model, data, trains=True)
    source = evaluation.checkpoint
    if source is None:
        raise VisusError(f"{model} is ready made; compress a checkpoint of a run")
    target = output or source.with_name("compressed.ckpt")
    refuse_overwriting(target, source)
    refuse_foreign_file(target.with_suffix(".onnx"))
    refuse_incompressible(evaluation.task)
    refuse_unwritable(target)
    with Stopwatch(evaluation.task) as stopwatch:
        compression = _Compression(evaluation, source, target, limits, stopwatch)
        try:
            compression.search_smallest()
            quantised = compression.quantise()
        except KeyboardInterrupt:
            if compression.kept is not None:
                print(f"{target}: the smallest model so far", file=sys.stderr)
            raise
    compression.table.print()
    compression.print_tests(quantised)
    print(printable(f"{target}: a checkpoint like any other"))
    if quantised is not None:
        print(printable(f"{quantised}: int8, {quantised.stat().st_size / 1e6:.1f} MB"))


class _Compression:
    """The steps of a compression.

    Args:
        evaluation: The original with its data.
        source: Its checkpoint.
        target: The checkpoint to write.
        limits: What ends the search.
        stopwatch: Of the original.

    Attributes:
        table: The measured models.
        kept: The smallest model within the limits, which is written.
    """

    def __init__(
        self,
        evaluation: Evaluation,
        source: Path,
        target: Path,
        limits: Limits,
        stopwatch: Stopwatch,
    ) -> None:
        self.table = PathTable()
        self._evaluation = evaluation
        self._source = source
        self._target = target
        self._limits = limits
        self._stopwatch = stopwatch
        self._student = self._learner(source)
        self._shares_split = tests_on_validation_data(evaluation.data)
        self._search = Search(self._student, evaluation.data, limits, stopwatch, self._tests())
        self.kept: Measured | None = None
        self._quantised: Measured | None = None
        self.table.add(self._search.original, "")

    def search_smallest(self) -> None:
        """Search, and write each model that is within the limits.

        Raises:
            VisusError: If there is none.
        """
        try:
            self._search.run(self._measured)
        except (VisusError, RuntimeError, OSError) as error:
            if self.kept is None:
                raise
            reason = str(error).partition("\n")[0] or type(error).__name__
            print(f"visus: the search ended early: {reason}", file=sys.stderr)
        if self.kept is None:
            raise VisusError(
                f"no smaller model is within --max-drop {self._limits.max_drop:g}; allow a larger "
                "drop, or a longer --budget"
            )
        if self._limits.speedup is not None and not self._search.is_fast(self.kept):
            print(
                f"--speedup {self._limits.speedup:g}: not reached; the smallest model within "
                f"--max-drop {self._limits.max_drop:g} is {self.kept.speedup:.2f} x as fast; allow "
                "a larger drop, or a longer --budget"
            )

    def quantise(self) -> Path | None:
        """Write the smallest model in int8; returns the file if it is within the limits.

        If quantisation alone costs too much, the model is first trained to compute in int8.
        """
        assert self.kept is not None
        if find_spec("nncf") is None:
            print('no int8 file: that needs NNCF; pip install "visus[int8]"')
            return None
        learner = self._learner(self._target)
        if not self._write_int8(learner.task, "int8"):
            seconds = self._limits.budget.left - self._search.reserved
            if seconds < self._search.overhead:
                print(
                    "no int8 file: quantisation alone costs too much, and no time is left to "
                    "train for it; allow a longer --budget"
                )
                return None
            learner.learn(seconds, int8=True)
            metric = assess(learner.task, self._evaluation.data, "val", batch=1)
            within = self._search.is_within(metric)
            trained = replace(self.kept, step="trained for int8", metric=metric)
            if within and self._write_int8(learner.task, "int8, trained for it"):
                self._add(trained, within)
                self._write(learner.task)
                self.kept = trained
            else:
                return None
        return self._target.with_suffix(".onnx")

    def print_tests(self, quantised: Path | None) -> None:
        """Print the metrics on the test data.

        Args:
            quantised: The int8 file.
        """
        original, data = self._evaluation.task, self._evaluation.data
        assert self.kept is not None
        if self._shares_split:
            tested = {"original": self._search.original.metric, "compressed": self.kept.metric}
            if self._quantised is not None:
                tested["compressed, int8"] = self._quantised.metric
            print_test(tested, "validation")
            return
        best = load_task(self._target).to(original.device)
        tested = {
            "original": assess(original, data, "test", data.batch_size),
            "compressed": assess(best, data, "test", data.batch_size),
        }
        if quantised is not None:
            tested["compressed, int8"] = assess_file(quantised, best, data, "test")
        print_test(tested, "test")

    def _tests(self) -> float:
        """Models that will be measured on the test data, in units of the validation data."""
        if self._shares_split:
            return 0.0
        test, val = (len(self._evaluation.data.plain_dataset(each)) for each in ("test", "val"))  # type: ignore[arg-type]
        return 3 * test / max(1, val)

    def _learner(self, checkpoint: Path) -> Student:
        """A model that learns from the original."""
        original = self._evaluation.task
        stored = read_checkpoint(self._source)["visus"]
        settings = stored.get("training", {}).get("trainer", {})
        task = load_task(checkpoint).to(original.device)
        return Student(task, original, self._evaluation.data, settings)

    def _measured(self, model: Measured, within: bool) -> None:
        self._add(model, within)
        if within:
            self._write(self._student.task)
            self.kept = model
            # That of an earlier compression does not belong to this checkpoint.
            self._target.with_suffix(".onnx").unlink(missing_ok=True)

    def _add(self, model: Measured, within: bool) -> None:
        drop = self._search.drop(model.metric)
        self.table.add(model, f"drop {drop:+.3f}: {'kept' if within else 'too much'}")

    def _write(self, task: VisionTask) -> None:
        """Write a task as a checkpoint of weights alone."""
        checkpoint = read_checkpoint(self._source)
        stored = checkpoint["visus"] | task.metadata.to_dict() | {"channels": plain(task.channels)}
        names = ("epoch", "global_step", "pytorch-lightning_version")
        kept = {name: checkpoint[name] for name in names if name in checkpoint}
        weights = {name: value.cpu() for name, value in task.state_dict().items()}
        write_checkpoint({**kept, "visus": stored, "state_dict": weights}, self._target)

    def _write_int8(self, task: VisionTask, step: str) -> bool:
        """Write a task in int8, unless its metric is not within the limits."""
        assert self.kept is not None
        target = self._target.with_suffix(".onnx")
        with TemporaryDirectory(dir=target.parent, prefix=".compress") as folder:
            path = Path(folder) / target.name
            device = task.device
            write_int8(task.cpu(), self._evaluation.data, path)
            model = measure_int8(path, task, self._evaluation.data, self._stopwatch, step)
            task.to(device)
            within = self._search.is_within(model.metric)
            self._add(model, within)
            if within:
                path.replace(target)
                self._quantised = model
        return within
