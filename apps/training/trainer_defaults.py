"""Defaults of the trainer that differ from Lightning's."""

import sys
from pathlib import Path
from typing import Any

from pytorch_lightning.callbacks import ProgressBar
from pytorch_lightning.loggers import TensorBoardLogger
from pytorch_lightning.utilities import rank_zero_only

from visus.apps.launched import launched_processes
from visus.apps.training.resuming import ContinuedCSVLogger, drop_later_rows


def set_trainer_defaults(chosen: Any, folder: Path, resumed: dict[str, Any] | None) -> None:
    """Set the options that the user has not chosen, such as loggers and the progress bar.

    The number of processes is that which a launcher has started.

    Args:
        chosen: The arguments of the trainer, which are changed.
        folder: The run folder.
        resumed: The content of the checkpoint of a run that continues in its folder.
    """
    processes = launched_processes()
    if processes is not None:
        if chosen["num_nodes"] == 1:
            chosen["num_nodes"] = processes[0]
        if chosen["devices"] == "auto":
            chosen["devices"] = processes[1]
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
