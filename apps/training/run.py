"""`visus fit`, `validate`, `test` and `predict`: from the command line to Lightning's trainer."""

import logging
import sys
import tempfile
import warnings
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
import yaml
from jsonargparse import set_parsing_settings
from pytorch_lightning.utilities.exceptions import (  # type: ignore[attr-defined]
    MisconfigurationException,
)
from torch import Tensor

from visus.apps.cli import CommandError
from visus.apps.training.memory import keep_freed_memory
from visus.apps.training.parser_messages import find_visus_error
from visus.apps.runs import find_checkpoint
from visus.apps.inference.runtimes_tmp import Model
from visus.apps.training.cli import FACTS, TRUSTED_PACKAGES, VisusCLI
from visus.configs import config_names, find_config
from visus.models.weights import find_weights
from visus.tasks.checkpoints import read_checkpoint
from visus.vision.errors import VisusError


def run(subcommand: str, argv: Sequence[str]) -> int:
    """Run one of Lightning's subcommands.

    Args:
        subcommand: `fit`, `validate`, `test` or `predict`.
        argv: The arguments after it. For all but `fit` the first may be MODEL.

    Returns:
        The exit code.
    """
    cli, keywords = _prepare(subcommand, argv)
    _start(subcommand, cli, keywords)
    return 0


def measure(argv: Sequence[str], exported: Model | None = None) -> dict[str, float]:
    """Run `test`; return its figures.

    Args:
        argv: As in `run`.
        exported: Answers in place of the network of MODEL, whose export it is; a batch of one.
    """
    cli, keywords = _prepare("test", argv)
    if exported is not None:

        def forward(images: Tensor) -> tuple[Tensor, ...]:
            return tuple(torch.from_numpy(output) for output in exported.run(images.cpu().numpy()))

        cli.model.forward = forward
    _start("test", cli, keywords)
    return {name: float(value) for name, value in cli.trainer.callback_metrics.items()}


def _prepare(subcommand: str, argv: Sequence[str]) -> tuple[VisusCLI, dict[str, Any]]:
    """What runs a subcommand, and the arguments of the trainer's method for it."""
    quieten()
    keep_freed_memory()
    arguments = list(argv)
    # Enforced inside jsonargparse at every import it makes for a value, before it makes it.
    if "--allow-custom-classes" in arguments:
        arguments.remove("--allow-custom-classes")
        sys.path.append(str(Path.cwd()))
        # Its own list of dangerous modules stays denied.
        set_parsing_settings(import_path_allowlist=TRUSTED_PACKAGES)
    else:
        set_parsing_settings(import_path_denylist=["*"], import_path_allowlist=TRUSTED_PACKAGES)
    if subcommand != "fit" and arguments and not arguments[0].startswith("-"):
        arguments = ["--ckpt_path", arguments[0], *arguments[1:]]
    for argument in arguments:
        option = argument.partition("=")[0].replace(".init_args.", ".")
        if option in {f"--model.{fact}" for fact in FACTS}:
            raise CommandError(
                f"{option} follows from the data; change the data's arguments instead"
            )
    if subcommand != "fit":
        arguments = _ready_made(arguments)
    names = _resolve(arguments, ("--config", "-c"), find_config)
    # A run is taken up where it stopped, and measured where it was best.
    preferred = "last" if subcommand == "fit" else "best"
    paths = _resolve(arguments, ("--ckpt_path",), partial(find_checkpoint, prefer=preferred))
    if paths and any(argument.partition("=")[0] == "--start" for argument in arguments):
        raise CommandError(
            "--start begins with the weights of a model, but this command has a checkpoint; leave "
            "one of the two out"
        )
    checkpoint = read_checkpoint(paths[-1]) if paths else None
    if subcommand == "fit" and checkpoint is not None and "optimizer_states" not in checkpoint:
        raise CommandError(
            f"{paths[-1]}: holds weights alone; training goes on from a checkpoint of a run"
        )
    asks_for_help = any(argument == "-h" or "help" in argument for argument in arguments)
    if subcommand == "fit" and not names and not asks_for_help:
        raise CommandError(
            f"name a configuration: visus fit --config {' or '.join(config_names())}"
        )
    if subcommand != "fit" and checkpoint is None and not names and not asks_for_help:
        raise CommandError(f"name a model: visus {subcommand} latest")
    with tempfile.TemporaryDirectory() as scratch:
        if checkpoint is not None:
            stored = _write_stored_config(checkpoint, Path(scratch))
            arguments = ["--config", str(stored), *arguments]
        name = names[-1].stem if names else _stored_name(checkpoint)
        try:
            cli = VisusCLI(subcommand, arguments, name, checkpoint)
        except (TypeError, ValueError, MisconfigurationException) as error:
            raise find_visus_error(error) or VisusError(" ".join(str(error).split())) from error
    keywords: dict[str, Any] = {"datamodule": cli.datamodule}
    if paths:
        keywords |= {"ckpt_path": str(paths[-1]), "weights_only": True}
    if subcommand == "predict":
        keywords["return_predictions"] = False
    elif subcommand != "fit":
        keywords["verbose"] = False
    return cli, keywords


def _start(subcommand: str, cli: VisusCLI, keywords: dict[str, Any]) -> None:
    try:
        getattr(cli.trainer, subcommand)(cli.model, **keywords)
    except (MisconfigurationException, ValueError) as error:
        raise find_visus_error(error) or VisusError(" ".join(str(error).split())) from error
    except SystemExit:
        # Lightning leaves so when it is stopped: at SIGTERM with 0, which would pass for success.
        raise KeyboardInterrupt from None


def _ready_made(arguments: list[str]) -> list[str]:
    """A name from the weights manifest stands for the configuration that measures it.

    Raises:
        CommandError: If none does.
    """
    if len(arguments) < 2 or arguments[0] != "--ckpt_path":
        return arguments
    entry = find_weights(arguments[1])
    # What comes as a checkpoint knows its configuration.
    if entry is None or not entry.task or entry.recipe or Path(arguments[1]).exists():
        return arguments
    config = f"{entry.task}/{(*entry.aliases, entry.name)[0]}"
    if config not in config_names():
        raise CommandError(
            f"{arguments[1]!r} is ready made, and no configuration measures it; train on its "
            f"weights with visus fit --config {entry.task}/custom"
        )
    return ["--config", config, *arguments[2:]]


def _resolve(arguments: list[str], options: tuple[str, ...], find: Any) -> list[Path]:
    """Replace the values of an option by the files they name, in place; return the files."""
    found = []
    for i, argument in enumerate(arguments):
        option, equals, value = argument.partition("=")
        if option not in options:
            continue
        if equals:
            found.append(find(value))
            arguments[i] = f"{option}={found[-1]}"
        elif i + 1 < len(arguments):
            found.append(find(arguments[i + 1]))
            arguments[i + 1] = str(found[-1])
    return found


def _write_stored_config(checkpoint: dict[str, Any], folder: Path) -> Path:
    """A configuration with what a checkpoint knows of its model and its data."""
    stored = checkpoint["visus"]
    missing = {"data", "arguments", "class_path"} - set(stored)
    if missing:
        raise VisusError(
            f"the checkpoint lacks {', '.join(sorted(missing))}; it was not written by visus fit"
        )
    model = {key: value for key, value in stored["arguments"].items() if key not in FACTS}
    config = {
        "model": {"class_path": stored["class_path"], "init_args": model},
        "data": stored["data"],
    }
    path = folder / "checkpoint.yaml"
    path.write_text(yaml.safe_dump(config))
    return path


def _stored_name(checkpoint: dict[str, Any] | None) -> str:
    if checkpoint is None:
        return "custom"
    # Of a path only the last part: a file must not choose where folders are made.
    return Path(str(checkpoint["visus"].get("name"))).name or "custom"


def quieten() -> None:
    """Leave out what libraries say at every run and no user can act on."""
    logging.getLogger("pytorch_lightning.utilities.rank_zero").setLevel(logging.WARNING)
    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)
    logging.getLogger("timm").setLevel(logging.ERROR)
    for message in (
        ".*does not have many workers.*",
        ".*Checkpoint directory .* exists and is not empty.*",
        ".*Experiment logs directory .* exists and is not empty.*",
        ".*will be overridden by.*",
        ".*LightningCLI's args parameter.*",
        ".*The number of training batches .* is smaller than the logging interval.*",
        "The dirpath has changed from .*",
        ".*You have overridden `transfer_batch_to_device`.*",
        ".*callbacks used to create the checkpoint need to be provided.*",
        ".*treespec, LeafSpec.*",
        ".*Trying to infer the `batch_size`.*",
        # Figures are those of all processes already, the same in each.
        r".*`self.log\(.(val|test)/.*sync_dist=True.*",
    ):
        warnings.filterwarnings("ignore", message)
    torch.set_float32_matmul_precision("high")
