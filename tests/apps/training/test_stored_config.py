"""A checkpoint that is measured on another machine than it was trained on."""

import torch

from tests.conftest import newest
from visus.apps.training.arguments import parse_arguments
from visus.apps.training.run import prepare
from visus.datamodules.core.loading import default_workers


def test_loading_processes_are_no_more_than_this_machine_has_cores_for(visus, workplace):
    code, _, err = visus(
        *("fit", "--config", "classification/scenes", "--data.count", "16"),
        *("--model.backbone", "lenet5", "--trainer.max_epochs", "1", "--data.num_workers", "0"),
    )
    assert code == 0, err
    path = newest("runs/*/*/*") / "last.ckpt"
    checkpoint = torch.load(path, weights_only=True)
    assert _workers(path) == 0
    checkpoint["visus"]["data"]["init_args"]["num_workers"] = 60
    torch.save(checkpoint, path)
    assert _workers(path) == default_workers()
    # What the user asks for is done.
    assert _workers(path, "--data.num_workers", "61") == 61


def _workers(path, *arguments):
    cli, _ = prepare("test", parse_arguments("test", [str(path), *arguments]))
    return cli.datamodule.num_workers
