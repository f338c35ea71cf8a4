"""A trained task with its data, to be evaluated without Lightning's trainer."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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
        checkpoint: Path of the checkpoint.
    """

    task: VisionTask
    data: VisionDataModule[Any]
    checkpoint: Path


def load_evaluation(argv: Sequence[str]) -> Evaluation:
    """A trained task and its data module, as `visus test` uses them.

    Args:
        argv: The arguments after `visus test`, of which the first is a checkpoint, a run folder or
            `latest`.

    Raises:
        VisusError: If the model or its data cannot be used.
    """
    cli, keywords = prepare("test", parse_arguments("test", argv), _EvaluationCLI)
    path = Path(keywords["ckpt_path"])
    task = load_task(path).to("cuda" if torch.cuda.is_available() else "cpu")
    cli.datamodule.prepare_data()
    cli.datamodule.setup("test")
    return Evaluation(task, cli.datamodule, path)


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
