"""A trained task with its data, to be evaluated without Lightning's trainer."""

from collections.abc import Sequence, Sized
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pytorch_lightning as pl
import torch

from visus.apps.training.arguments import parse_arguments
from visus.apps.training.cli import VisusCLI
from visus.apps.training.run import prepare
from visus.datamodules.core.base import VisionDataModule
from visus.tasks.base import VisionTask
from visus.tasks.checkpoints import load_task


@dataclass(frozen=True, eq=False)
class Evaluation:
    """A trained task and its data.

    Attributes:
        task: In evaluation mode, on the GPU if there is one.
        data: The data module.
        model: The model as the user named it.
        checkpoint: Path of the checkpoint; None for ready-made weights that a configuration
            measures.
    """

    task: VisionTask
    data: VisionDataModule[Any]
    model: str
    checkpoint: Path | None

    @property
    def has_validation_samples(self) -> bool:
        """Whether the data have any; those of a test alone have none."""
        return len(cast(Sized, self.data.plain_dataset("val"))) > 0


def load_evaluation(model: str, arguments: Sequence[str] = (), trains: bool = False) -> Evaluation:
    """A trained task and its data module, as `visus test` uses them.

    Args:
        model: A checkpoint, a run folder, `latest`, or the name of ready-made weights.
        arguments: Further arguments of `visus test`.
        trains: Whether the task will be trained: data without a test split are divided as in
            `visus fit`, instead of being test data as a whole.

    Raises:
        VisusError: If the model or its data cannot be used.
    """
    given = parse_arguments("test", [model, *arguments])
    cli, keywords = prepare("test", given, _TrainingCLI if trains else _EvaluationCLI)
    path = Path(keywords["ckpt_path"]) if "ckpt_path" in keywords else None
    task = cli.model if path is None else load_task(path)
    assert isinstance(task, VisionTask)
    cli.datamodule.prepare_data()
    cli.datamodule.setup("test")
    device = "cuda" if torch.cuda.is_available() else "cpu"
    return Evaluation(task.eval().to(device), cli.datamodule, model, path)


class _EvaluationCLI(VisusCLI):
    """The model and the data alone, without a run folder."""

    def instantiate_trainer(self, **kwargs: Any) -> pl.Trainer:
        """A trainer that writes nothing."""
        return pl.Trainer(
            accelerator="cpu",
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )


class _TrainingCLI(_EvaluationCLI):
    """As above, for data that the task will be trained on."""

    def before_instantiate_classes(self) -> None:
        """Divide the data as in `visus fit`."""
        super().before_instantiate_classes()
        data = self.config.data.init_args
        if "evaluate_all" in data:
            data["evaluate_all"] = False
