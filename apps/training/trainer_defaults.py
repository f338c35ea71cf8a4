"""Defaults of the trainer that differ from Lightning's."""

import sys
from pathlib import Path
from typing import Any

from pytorch_lightning.callbacks import ProgressBar
from pytorch_lightning.loggers import TensorBoardLogger
from pytorch_lightning.utilities import rank_zero_only

from visus.apps.training.resuming import ContinuedCSVLogger, drop_later_rows


def set_trainer_defaults(chosen: Any, folder: Path, resumed: dict[str, Any] | None) -> None:
    """Set the loggers, the progress bar and other options that the user has not chosen.

    Args:
        chosen: The arguments of the trainer, which are changed.
        folder: The run folder.
        resumed: The content of the checkpoint of a run that continues in its folder.
    """
    if chosen["logger"] is None:
        step = None
        if resumed:
            step = resumed["global_step"]
            rank_zero_only(drop_later_rows)(folder, resumed)
        chosen["logger"] = [
            ContinuedCSVLogger(folder),
            TensorBoardLogger(folder, name="", version="", purge_step=step),
        ]
    if chosen["enable_progress_bar"] is None:
        # Elsewhere than on a terminal `RunReport` prints a line per epoch.
        bars = any(isinstance(each, ProgressBar) for each in chosen["callbacks"])
        chosen["enable_progress_bar"] = bars or sys.stderr.isatty()
    if chosen["enable_model_summary"] is None:
        chosen["enable_model_summary"] = False
    chosen["default_root_dir"] = chosen["default_root_dir"] or str(folder)
    # The data modules shard by themselves: Lightning's sampler would count samples twice.
    chosen["use_distributed_sampler"] = False
