"""An untrained model for clips, and clips of moving shapes."""

from pathlib import Path

import pytest
import pytorch_lightning as pl
import torch

from visus.datamodules.action.moving_shapes import MovingShape
from visus.tasks.action.data_info import ActionInfo
from visus.tasks.action.task import ActionTask
from visus.tasks.checkpoint_files import write_checkpoint
from visus.vision.videos.writer import write_video

NAMES = ("left", "right", "rest")
FRAMES, SECONDS = 4, 2.0


def new_task(architecture="tsm", backbone="resnet9", size=(32, 32), **arguments):
    """A network with random weights, also where training begins with zeros."""
    torch.manual_seed(0)
    info = {"image_size": size, "class_names": NAMES, "in_channels": 3, "resize_mode": "stretch"}
    info = ActionInfo(**info, frames=FRAMES, seconds=SECONDS, multi_label=False)
    if backbone == "resnet9":
        arguments.setdefault("backbone_options", {"width": 4})
    task = ActionTask(info, architecture, backbone=backbone, **arguments)
    for parameter in task.network.parameters():
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=0.2)
    return task.eval()


def save(task, path):
    """Write a task as a checkpoint."""
    checkpoint = {"state_dict": task.state_dict(), "epoch": 0, "global_step": 1}
    checkpoint["pytorch-lightning_version"] = pl.__version__
    task.on_save_checkpoint(checkpoint)
    write_checkpoint(checkpoint, path)
    return path


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory):
    """The untrained model as a checkpoint."""
    return save(new_task(inputs="both"), tmp_path_factory.mktemp("action") / "m.ckpt")


def write_clip(path, seconds, rate=10, seed=0):
    """Write a clip of a moving shape."""
    shape = MovingShape(seed, (48, 64))
    write_video(Path(path), (shape.frame(i / rate) for i in range(round(seconds * rate))), rate)
    return path
