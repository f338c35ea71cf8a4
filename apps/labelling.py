"""Write predictions as the labels of a new data set, to be corrected and trained on."""

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from visus.apps.parsing import CommandError, CommandParser
from visus.tasks.registry import task_spec
from visus.vision.frames import Frame
from visus.vision.model import Model
from visus.vision.prediction import Prediction

if TYPE_CHECKING:
    from visus.datamodules.core.label_writer import LabelWriter
    from visus.tasks.spec import TaskSpec


def add_label_arguments(parser: CommandParser) -> None:
    """Add `--labels` and `--output`, but in an exported folder, which reads no data sets."""
    if find_spec("visus.datamodules") is None:
        parser.set_defaults(labels=None, output=None)
        return
    from visus.datamodules.registry import data_specs

    specs = [spec for spec in data_specs().values() if spec.label_formats]
    parts = [f"{' or '.join(spec.label_formats)} for {spec.task}" for spec in specs]
    parser.add_argument(
        "--labels",
        metavar="FORMAT",
        choices=[name for spec in specs for name in spec.label_formats],
        help=f"write the predictions as labels to correct and to train on: {'; '.join(parts)}",
    )
    parser.add_argument(
        "--output", metavar="DIR", type=Path, help="the new folder of --labels, with the images"
    )


def label_files(format: str | None, output: Path | None, model: Model) -> "LabelFiles | None":
    """The writer of the labels; None if none were asked for.

    Raises:
        CommandError: If the format or the folder is missing, or the format is not one of the
            model's task.
        VisusError: If the folder is not empty, or the format cannot hold the model's predictions.
    """
    if format is None:
        if output is not None:
            raise CommandError("--output is the folder of --labels; give --labels FORMAT too")
        return None
    if output is None:
        raise CommandError(f"--labels {format}: name a new folder for them with --output DIR")
    from visus.datamodules.registry import data_specs

    task = model.metadata.task
    data = data_specs().get(task)
    formats = data.label_formats if data else ()
    if data is None or format not in formats:
        known = f"choose {' or '.join(formats)}" if formats else "they can only be printed"
        raise CommandError(
            f"--labels {format}: {model.name!r} is a {task} model, whose predictions are not "
            f"written as {format}; {known}"
        )
    return LabelFiles(data.label_writer(format, output, model.metadata), task_spec(task))


class LabelFiles:
    """Passes each frame and its prediction to a writer of labels.

    Args:
        writer: Of the model's task.
        spec: The task.
    """

    def __init__(self, writer: "LabelWriter", spec: "TaskSpec") -> None:
        self._writer = writer
        self._spec = spec

    def __call__(self, frame: Frame, prediction: Prediction) -> None:
        """Write the labels of one frame.

        Raises:
            VisusError: If they cannot be written.
        """
        uncertainty = self._spec.uncertainty(prediction)
        self._writer.add(frame, prediction.to_json(), uncertainty, prediction.summary())

    def finish(self) -> str:
        """Write what describes all frames; returns a line on what was written."""
        return self._writer.finish()
