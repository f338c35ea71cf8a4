"""One trial: a training with the arguments that the study suggests."""

import math
import shutil
from typing import Any

import optuna
import pytorch_lightning as pl

from visus.apps.inference.benchmark import network_latency
from visus.apps.training.arguments import parse_arguments
from visus.apps.training.cli import VisusCLI
from visus.apps.training.run import prepare, start
from visus.apps.tuning.options import chosen_options
from visus.apps.tuning.study import OPTIONS, PROBLEM, RUN, StudyPlan
from visus.tasks.base import VisionTask
from visus.tasks.optimisation import training_position
from visus.vision.errors import VisusError


class TrialEnd(pl.Callback):
    """Reports each validation to the study, and ends a trial that does worse than others.

    Validations are compared with those of other trials at the same percentage of the training.

    Args:
        trial: The trial.

    Attributes:
        best: The best metric so far; NaN is none.
        measured: Whether there was a validation.
        pruned: Whether the study has ended the trial.
    """

    def __init__(self, trial: optuna.Trial) -> None:
        self._trial = trial
        self.best: float | None = None
        self.measured = False
        self.pruned = False

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Report the metric, and ask whether to go on."""
        assert isinstance(pl_module, VisionTask)
        name, mode = pl_module.monitor
        if trainer.sanity_checking or name not in trainer.callback_metrics:
            return
        value = float(trainer.callback_metrics[name])
        self.measured = True
        if math.isnan(value):
            return
        if self.best is None or (value > self.best) == (mode == "max"):
            self.best = value
        done, total = training_position(trainer) or (0, 1)
        self._trial.report(value, step=round(100 * done / total))
        if done < total and self._trial.should_prune():
            self.pruned = True
            trainer.should_stop = True


def run_trial(trial: optuna.Trial, plan: StudyPlan) -> float:
    """Train with the suggested arguments.

    Args:
        trial: Suggests arguments, and gets the run folder as an attribute.
        plan: Of the study.

    Returns:
        The best metric of the validations.

    Raises:
        optuna.TrialPruned: If the study ended the trial, or its network is too slow.
        VisusError: If it cannot be trained, or no validation gave a metric.
    """
    suggested = {key: entry.suggest(trial, key) for key, entry in plan.space.items()}
    words = [f"--{key}={_text(value)}" for key, value in suggested.items()]
    print(f"trial {trial.number}: {' '.join(words)}", flush=True)
    end = TrialEnd(trial)
    try:
        cli, keywords = prepare("fit", parse_arguments("fit", [*plan.arguments, *words]))
        trial.set_user_attr(RUN, str(cli.folder))
        trial.set_user_attr(OPTIONS, chosen_options(cli))
        if plan.max_latency is not None:
            _refuse_slow(trial, cli, plan.max_latency)
        cli.trainer.callbacks.append(end)  # type: ignore[attr-defined]
        if start("fit", cli, keywords):
            raise KeyboardInterrupt
        if end.best is None:
            raise VisusError(
                f"{plan.metric} was NaN in each validation"
                if end.measured
                else "the training ended before its first validation; give it more time"
            )
    except optuna.TrialPruned:
        raise
    except Exception as error:
        text = " ".join(str(error).split())
        known = isinstance(error, VisusError)
        trial.set_user_attr(PROBLEM, text if known else f"{type(error).__name__}: {text}")
        raise
    if end.pruned:
        trial.set_user_attr(PROBLEM, "worse than others so far")
        raise optuna.TrialPruned
    return end.best


def _refuse_slow(trial: optuna.Trial, cli: VisusCLI, limit: float) -> None:
    """End a trial whose network takes too long.

    Raises:
        optuna.TrialPruned: If it does.
    """
    latency = network_latency(cli.model)
    if latency > limit:
        trial.set_user_attr(PROBLEM, f"{latency:.2f} ms an image, {limit:g} are allowed")
        shutil.rmtree(cli.folder)
        raise optuna.TrialPruned


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return "null" if value is None else str(value)
