"""What a search gains over a configuration's own values, and what ending bad trials early saves.

python benchmarks/tuning.py --config FILE --budget 20m --trial-time 2m --seeds 3 [--data PATH]

Each seed searches with trials that end early, with trials that do not, and at random, in the same
time one after the other. The best run of each, and one with the configuration's own values, are
measured on the test data, which nothing was chosen by.
"""

import argparse
from datetime import datetime
from pathlib import Path

import optuna

from visus.apps.training.run import measure, train
from visus.apps.tuning.planning import plan_study
from visus.apps.tuning.run import run_study
from visus.apps.tuning.study import StudyPlan
from visus.vision.durations import parse_seconds

_VARIANTS: dict[str, dict[str, str | bool]] = {
    "tpe": {},
    "tpe, all trials to their end": {"prunes": False},
    "random": {"sampler": "random", "prunes": False},
}


def main() -> None:
    """Print a line for each seed and each way to search."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--data")
    parser.add_argument("--budget", type=parse_seconds, required=True)
    parser.add_argument("--trial-time", type=parse_seconds, required=True)
    parser.add_argument("--max-latency", type=float, help="milliseconds an image")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--variants", nargs="+", choices=_VARIANTS, default=list(_VARIANTS))
    parser.add_argument("--output", type=Path, default=Path("runs/tuning_benchmark"))
    args = parser.parse_args()
    arguments = ["--trainer.max_time", f"{{seconds: {args.trial_time:g}}}"]
    arguments += [] if args.data is None else ["--data", args.data]
    for seed in range(args.seeds):
        words = ["--config", str(args.config), *arguments, "--seed_everything", str(seed)]
        print(f"seed {seed}, own values: test: {_tested(str(train(words)))}", flush=True)
        for name in args.variants:
            folder = args.output / f"{name.replace(', ', '_').replace(' ', '_')}-{seed}"
            own = [*arguments, "--seed_everything", str(seed)]
            plan = plan_study(args.config, folder, own, args.max_latency)
            plan = StudyPlan(**{**vars(plan), **_VARIANTS[name], "seed": seed})
            study = run_study(args.config, folder, plan, args.budget, 1)
            print(f"seed {seed}, {name}: {_outcome(study)}", flush=True)


def _outcome(study: optuna.Study) -> str:
    """Figures of the configuration's own values and of the best, and when that was found."""
    complete = study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.COMPLETE,))
    best = study.best_trial
    first = min(trial.datetime_start or datetime.max for trial in study.trials)
    assert best.datetime_complete is not None
    minutes = (best.datetime_complete - first).total_seconds() / 60
    own = next((trial for trial in complete if trial.number == 0), None)
    value = "unknown" if own is None or own.value is None else f"{own.value:.4f}"
    return (
        f"own values {value}, best {best.value:.4f} after {minutes:.1f} min of {len(study.trials)} "
        f"trials; test: {_tested(best.user_attrs['run'])}"
    )


def _tested(run: str) -> str:
    """The first figures of a run on the test data."""
    return ", ".join(f"{key} {value:.4f}" for key, value in list(measure([run]).items())[:2])


if __name__ == "__main__":
    main()
