"""`visus fit`, `validate` and `test`: from the command line to Lightning's trainer."""

import logging
import sys
import tempfile
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
import yaml
from jsonargparse import set_parsing_settings
from pytorch_lightning.utilities import rank_zero_only
from pytorch_lightning.utilities.exceptions import (  # type: ignore[attr-defined]
    MisconfigurationException,
)

from visus.apps.inference.exported import tensor_forward
from visus.apps.parsing import CommandError
from visus.apps.runs import find_checkpoint
from visus.apps.training.arguments import Arguments, parse_arguments
from visus.apps.training.cli import VisusCLI
from visus.apps.training.failures import explain_failure
from visus.apps.training.memory_errors import is_worker_death
from visus.apps.training.parser_messages import find_visus_error
from visus.apps.training.resuming import Finished, run_folder_of
from visus.apps.training.stop_signals import Interrupted
from visus.configs import find_config
from visus.datamodules.core.loading import default_workers
from visus.datamodules.registry import migrate_data
from visus.tasks.checkpoints import read_checkpoint
from visus.tasks.registry import task_spec, trusted_packages
from visus.vision.errors import VisusError
from visus.vision.freed_memory import keep_freed_memory
from visus.vision.metadata import FORMAT
from visus.vision.model import Model


def run(subcommand: str, given: Arguments) -> int:
    """Run one of Lightning's subcommands.

    Args:
        subcommand: `fit`, `validate` or `test`.
        given: Its command line.

    Returns:
        The exit code.
    """
    try:
        cli, keywords = prepare(subcommand, given)
    except Finished as finished:
        print(f"visus: {finished}")
        return 0
    return start(subcommand, cli, keywords)


def train(argv: Sequence[str]) -> Path:
    """Run `fit`; return the run folder.

    Args:
        argv: The arguments after `visus fit`.

    Raises:
        KeyboardInterrupt: If a signal stopped it.
    """
    cli, keywords = prepare("fit", parse_arguments("fit", argv))
    if start("fit", cli, keywords):
        raise KeyboardInterrupt
    return cli.folder


def measure(
    argv: Sequence[str], exported: Model | None = None, subcommand: str = "test"
) -> dict[str, float]:
    """Run `test` or `validate`; return its metrics.

    Args:
        argv: The arguments after `visus test`.
        exported: The exported form of MODEL, which predicts in its place; a batch of one.
        subcommand: `test` or `validate`.
    """
    cli, keywords = prepare(subcommand, parse_arguments(subcommand, argv))
    if exported is not None:
        cli.model.forward = tensor_forward(exported)
    start(subcommand, cli, keywords)
    return {name: float(value) for name, value in cli.trainer.callback_metrics.items()}


def prepare(
    subcommand: str, given: Arguments, cli_class: type[VisusCLI] = VisusCLI
) -> tuple[VisusCLI, dict[str, Any]]:
    """The CLI of a subcommand, and the arguments of the trainer's method for it.

    Args:
        subcommand: `fit`, `validate` or `test`.
        given: Its command line.
        cli_class: The class of the CLI.
    """
    silence_libraries()
    keep_freed_memory()
    _set_import_rules(given.allow_custom_classes)
    path = _checkpoint(subcommand, given)
    checkpoint = None if path is None else read_checkpoint(path)
    if subcommand == "fit" and checkpoint is not None:
        _check_resumable(path, checkpoint, given)
    with tempfile.TemporaryDirectory() as scratch:
        arguments = given.rest
        if checkpoint is not None:
            stored = _write_stored_config(checkpoint, Path(scratch), subcommand == "fit")
            arguments = ["--config", str(stored), *arguments]
        name = _run_name(given, checkpoint)
        try:
            resumed = run_folder_of(path) if path is not None and subcommand == "fit" else None
            cli = cli_class(subcommand, arguments, name, checkpoint, resumed, given.budget)
        except (TypeError, ValueError, MisconfigurationException) as error:
            raise find_visus_error(error) or VisusError(" ".join(str(error).split())) from error
    keywords: dict[str, Any] = {"datamodule": cli.datamodule}
    if path is not None:
        keywords |= {"ckpt_path": str(path), "weights_only": True}
    if subcommand != "fit":
        keywords["verbose"] = False
    return cli, keywords


def _check_resumable(path: Path | None, checkpoint: dict[str, Any], given: Arguments) -> None:
    """Refuse a checkpoint from which training cannot continue.

    Raises:
        CommandError: If it holds weights alone, or does not say for how long to train.
    """
    if "optimizer_states" not in checkpoint:
        raise CommandError(
            f"{path}: holds weights alone; training is resumed from a checkpoint of a run"
        )
    says = "training" in checkpoint["visus"] or given.configs
    if not says and not any(word.startswith("--trainer.max_") for word in given.rest):
        raise CommandError(
            f"{path}: does not store how long to train; name its configuration with --config, or "
            "--trainer.max_epochs"
        )


def _checkpoint(subcommand: str, given: Arguments) -> Path | None:
    """The checkpoint that is resumed or measured."""
    if given.model is None:
        return None
    # A run is resumed where it stopped, and measured where it was best.
    return find_checkpoint(given.model, prefer="last" if subcommand == "fit" else "best")


def _set_import_rules(allow_custom_classes: bool) -> None:
    """Which classes a `class_path` may name; enforced inside jsonargparse before it imports."""
    if allow_custom_classes:
        sys.path.append(str(Path.cwd()))
        # jsonargparse's own list of dangerous modules stays denied.
        set_parsing_settings(import_path_allowlist=trusted_packages())
    else:
        set_parsing_settings(import_path_denylist=["*"], import_path_allowlist=trusted_packages())


def start(subcommand: str, cli: VisusCLI, keywords: dict[str, Any]) -> int:
    """Run the trainer; returns the exit code.

    Raises:
        VisusError: If it fails for a reason that has a remedy.
    """
    method: Callable[..., Any] = getattr(cli.trainer, subcommand)
    try:
        method(cli.model, **keywords)
    except Interrupted as stopped:
        _print_resume_hint(cli, f"stopped by {stopped}; ")
        return 128 + stopped.signal_number
    except (MisconfigurationException, ValueError) as error:
        _print_resume_hint(cli)
        raise find_visus_error(error) or VisusError(" ".join(str(error).split())) from error
    except Exception as error:
        _print_resume_hint(cli)
        if cli.last is not None and cli.last.signals.received and is_worker_death(error):
            # The signal went to the processes that load images, too.
            return 128 + cli.last.signals.received
        failure = find_visus_error(error) or explain_failure(error, cli)
        if failure is None:
            raise
        raise failure from error
    except SystemExit:
        # Lightning exits after Ctrl+C, with a code that looks like a failure.
        raise KeyboardInterrupt from None
    return 0


@rank_zero_only
def _print_resume_hint(cli: VisusCLI, before: str = "") -> None:
    """Print the command that continues the training, if there is a checkpoint to continue from."""
    if cli.last is not None and cli.last.path.is_file():
        before += f"continue with visus fit --resume {cli.folder}"
    if before:
        print(f"visus: {before.removesuffix('; ')}", file=sys.stderr)


def _write_stored_config(checkpoint: dict[str, Any], folder: Path, resumes: bool) -> Path:
    """Write a configuration with the model and the data of a checkpoint.

    Args:
        checkpoint: The checkpoint.
        folder: Where to write.
        resumes: Whether training continues, with the same trainer and optimiser.
    """
    stored = checkpoint["visus"]
    missing = {"data", "arguments"} - set(stored)
    if missing:
        raise VisusError(
            f"the checkpoint lacks {', '.join(sorted(missing))}; it was not written by visus fit"
        )
    model = {key: value for key, value in stored["arguments"].items() if key != "data_info"}
    data = migrate_data(stored["data"], stored.get("migrated_from", FORMAT))
    workers = (data.get("init_args") or {}).get("num_workers")
    if not resumes and isinstance(workers, int):
        # It may have been trained on a machine with more cores.
        data["init_args"]["num_workers"] = min(workers, default_workers())
    task_class = task_spec(stored["task"]).lightning_class()
    config = {
        "model": {
            "class_path": f"{task_class.__module__}.{task_class.__name__}",
            "init_args": model,
        },
        "data": data,
    }
    if resumes:
        config |= stored.get("training", {})
    path = folder / "checkpoint.yaml"
    path.write_text(yaml.safe_dump(config))
    return path


def _run_name(given: Arguments, checkpoint: dict[str, Any] | None) -> str:
    """Second part of the run folder's path: the configuration's name."""
    if given.configs:
        return find_config(given.configs[-1]).stem
    if checkpoint is None:
        return "custom"
    # Only the last part of a path: a file must not choose where folders are created.
    return Path(str(checkpoint["visus"].get("name"))).name or "custom"


_REQUESTED = ("callbacks", "profilers", "tuner")
"""Parts of Lightning that print what the user has asked for."""


def _is_requested(record: logging.LogRecord) -> bool:
    """Whether a message is a warning, or that of a part which the user has chosen."""
    return record.levelno >= logging.WARNING or Path(record.pathname).parent.name in _REQUESTED


def silence_libraries() -> None:
    """Suppress messages of libraries that appear in every run and need no action."""
    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
    for part in _REQUESTED:
        logging.getLogger(f"pytorch_lightning.{part}").setLevel(logging.INFO)
    shared = logging.getLogger("pytorch_lightning.utilities.rank_zero")
    shared.setLevel(logging.INFO)
    shared.addFilter(_is_requested)
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
        # It replaces the schedule, whatever its interval.
        ".*SWA is currently only supported every epoch.*",
        ".*Trying to infer the `batch_size`.*",
        # Metrics are those of all processes already, the same in each.
        r".*`self.log\(.(val|test)/.*sync_dist=True.*",
        # Training alone on a machine with SLURM is not a mistake.
        ".*`srun` command is available.*",
        # Ours resume, by the state of the data module.
        ".*your dataloader is not resumable.*",
    ):
        warnings.filterwarnings("ignore", message)
    torch.set_float32_matmul_precision("high")
