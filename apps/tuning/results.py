"""What came out of a study: a table, the best configuration, a plot."""

import csv
import io
import math
from pathlib import Path

import optuna
import yaml
from optuna.trial import FrozenTrial, TrialState
from rich.table import Table

from visus.apps.console import console
from visus.apps.tuning.space import Space
from visus.apps.tuning.study import (
    OPTIONS,
    PROBLEM,
    RUN,
    StudyPlan,
    best_trial,
    has_own_values,
    is_interrupted,
)
from visus.vision.output_files import replacing, write_text
from visus.vision.printable import printable

_SHOWN = 5
_NEEDED = 4
"""Complete trials that importances need."""


_STATES = {
    TrialState.COMPLETE: "complete",
    TrialState.PRUNED: "pruned",
    TrialState.FAIL: "failed",
    TrialState.WAITING: "waiting",
}


def describe(trial: FrozenTrial, plan: StudyPlan) -> str:
    """A line on a finished trial."""
    seconds = 0.0 if trial.duration is None else trial.duration.total_seconds()
    values = ", ".join(f"{key} {_short(value)}" for key, value in trial.params.items())
    if trial.state == TrialState.COMPLETE:
        outcome = f"{plan.metric} {trial.value:.4f}"
    elif is_interrupted(trial):
        return f"trial {trial.number}: interrupted"
    else:
        outcome = "ended early" if trial.state == TrialState.PRUNED else "failed"
        outcome += f", {trial.user_attrs[PROBLEM]}"
    own = " (the configuration's own values)" if has_own_values(trial, plan) else ""
    return f"trial {trial.number}{own}: {outcome} in {seconds / 60:.1f} min with {values}"


def print_best(study: optuna.Study, plan: StudyPlan) -> None:
    """Print the best trials as a table."""
    complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    ordered = sorted(complete, key=_value, reverse=plan.direction == "maximize")
    table = Table("trial", plan.metric, *plan.space, "run folder")
    for trial in ordered[:_SHOWN]:
        name = f"{trial.number} (own values)" if has_own_values(trial, plan) else str(trial.number)
        values = [_short(trial.params[key]) for key in plan.space]
        table.add_row(name, f"{trial.value:.4f}", *values, trial.user_attrs[RUN])
    console().print(table)


def write_results(study: optuna.Study, plan: StudyPlan, folder: Path) -> None:
    """Write `best.yaml`, `trials.csv`, and `importance.png` where there are enough trials.

    Args:
        study: With a complete trial.
        plan: Of the study.
        folder: Of the study.
    """
    best = best_trial(study)
    assert best is not None
    content = f"# {plan.metric} {best.value:.4f} in trial {best.number} of visus tune.\n"
    content += yaml.safe_dump(best.user_attrs[OPTIONS], sort_keys=False)
    write_text(folder / "best.yaml", content)
    write_text(folder / "trials.csv", _csv(study, plan.space))
    if _has_importances(study):
        _plot(study, plan, folder / "importance.png")


def _csv(study: optuna.Study, space: Space) -> str:
    written = io.StringIO()
    writer = csv.writer(written, lineterminator="\n")
    writer.writerow(["trial", "state", "value", "seconds", *space, "run", "problem"])
    for trial in study.get_trials(deepcopy=False):
        seconds = "" if trial.duration is None else f"{trial.duration.total_seconds():.1f}"
        values = [trial.params.get(key, "") for key in space]
        more = [trial.user_attrs.get(name, "") for name in (RUN, PROBLEM)]
        # No trial goes on when the table is written.
        state = "interrupted" if is_interrupted(trial) else _STATES[trial.state]
        writer.writerow([trial.number, state, trial.value, seconds, *values, *more])
    return written.getvalue()


def _has_importances(study: optuna.Study) -> bool:
    """Whether enough trials of different results are complete."""
    complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    return len(complete) >= _NEEDED and len({trial.value for trial in complete}) > 1


def _plot(study: optuna.Study, plan: StudyPlan, path: Path) -> None:
    """The importance of each option (functional ANOVA), and the best metric after each trial."""
    # Imported late: it takes a second.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from optuna.importance import get_param_importances

    importances = get_param_importances(study)
    page = Figure(figsize=(9, 3.6), dpi=100, layout="constrained")
    left, right = page.subplots(1, 2)
    names = list(importances)[::-1]
    left.barh(names, [importances[name] for name in names], color="tab:blue")
    left.set_xlabel(f"share in the variation of {plan.metric}")
    complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    numbers = [trial.number for trial in complete]
    values = [_value(trial) for trial in complete]
    better = max if plan.direction == "maximize" else min
    so_far = [better(values[: i + 1]) for i in range(len(values))]
    right.plot(numbers, values, "o", alpha=0.5, label="trial")
    right.step(numbers, so_far, where="post", label="best so far")
    right.set_xlabel("trial")
    right.set_ylabel(plan.metric)
    right.grid(alpha=0.3)
    right.legend()
    with replacing(path) as part:
        FigureCanvasAgg(page)
        page.savefig(part, format="png")


def _value(trial: FrozenTrial) -> float:
    return math.nan if trial.value is None else trial.value


def _short(value: object) -> str:
    return printable(f"{value:.3g}" if isinstance(value, float) else str(value))
