"""Store a fitted temperature in a checkpoint."""

from visus.apps.report.quality import measure_calibration_change
from visus.apps.report.subject import Subject
from visus.apps.training.evaluation import Evaluation
from visus.tasks.checkpoint_files import write_checkpoint
from visus.tasks.checkpoints import read_checkpoint
from visus.vision.errors import VisusError

_ARGUMENT = "temperature"


def refuse_without_temperature(evaluation: Evaluation) -> None:
    """Refuse a model that cannot store a temperature.

    Raises:
        VisusError: If it is not a checkpoint, or its scores have no temperature.
    """
    task = evaluation.task
    if _ARGUMENT not in task.hparams:
        raise VisusError(f"--calibrate: {task.spec.title} has no temperature; leave the option out")
    if evaluation.checkpoint is None:
        raise VisusError(
            f"--calibrate: {evaluation.model} is ready made; calibrate a checkpoint of a run"
        )
    if not evaluation.has_validation_samples:
        raise VisusError(
            "--calibrate: the data have no validation samples, to which a temperature is fitted"
        )


def store_temperature(subject: Subject) -> str:
    """Fit a temperature on the validation samples, and store it in the checkpoint.

    Everything else in the checkpoint stays; exports of it compute calibrated scores, too.

    Args:
        subject: The task and its samples.

    Returns:
        A line on what was stored.
    """
    change = measure_calibration_change(subject)
    path = subject.evaluation.checkpoint
    assert change is not None and path is not None
    checkpoint = read_checkpoint(path)
    arguments = checkpoint["visus"]["arguments"]
    stored = float(arguments.get(_ARGUMENT, 1.0)) * change.temperature
    arguments[_ARGUMENT] = stored
    write_checkpoint(checkpoint, path)
    on = "the same samples" if change.same_samples else f"the {subject.split} samples"
    return (
        f"{path}: temperature {stored:.3f} stored, fitted to {change.samples} validation samples; "
        f"expected calibration error of {on} {change.before.error:.3f} before, "
        f"{change.after.error:.3f} after"
    )
