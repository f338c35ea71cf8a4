"""visus tune: search for better arguments of a training, within a time budget."""

from argparse import ArgumentTypeError
from pathlib import Path
from pydoc import locate
from typing import TYPE_CHECKING, Any

import yaml

from visus.apps.parsing import CommandError, CommandParser
from visus.apps.runs import RUNS
from visus.configs import find_config
from visus.vision.durations import parse_seconds

if TYPE_CHECKING:
    from visus.apps.tuning.study import StudyPlan

_CONFIG = "config.yaml"
"""The configuration in the study's folder, without its search space."""


def main(argv: list[str]) -> int:
    """Run the trials that fit in the budget, and write the best configuration."""
    parser = CommandParser(
        "tune",
        "Search for better arguments of a training: many short trainings, each with other values "
        "of the options in the tune: block of the configuration. The search continues where it "
        "stopped when the same command is given again.",
    )
    parser.add_argument("--config", help="a configuration or its name; recognised from the data")
    parser.add_argument("--data", metavar="PATH", help="your own data set")
    parser.add_argument(
        "--budget", metavar="TIME", required=True, help="of the search, such as 60m"
    )
    parser.add_argument(
        "--trial-time",
        metavar="TIME",
        type=parse_seconds,
        help="the longest time of one training, such as 2m; by default as the configuration says",
    )
    parser.add_argument(
        "--max-latency",
        metavar="TIME",
        type=parse_seconds,
        help="leave out networks that take longer for an image on this machine, such as 5ms",
    )
    parser.add_argument(
        "--processes", metavar="N", type=int, help="trials at the same time; one for four cores"
    )
    parser.add_argument(
        "--output",
        metavar="DIR",
        type=Path,
        help=f"the folder of the search; {RUNS / 'tune'}/NAME by default",
    )
    args, rest = parser.parse_known_args(argv)
    if args.processes is not None and not 1 <= args.processes <= 64:
        raise CommandError(f"--processes {args.processes}: must be from 1 to 64")
    try:
        seconds = parse_seconds(args.budget)
    except ArgumentTypeError as error:
        raise CommandError(f"--budget {error}") from None
    if args.trial_time is not None and args.trial_time > seconds:
        raise CommandError(
            f"--budget {args.budget} is too short for one trial of {args.trial_time:g} s"
        )
    if args.config is None:
        if args.data is None:
            raise CommandError("name your data, visus tune --data PATH, or a configuration")
        from visus.apps.training.arguments import recognised_config

        args.config = recognised_config(args.data)
    path = find_config(args.config)
    folder = args.output or RUNS / "tune" / f"{path.parent.name}-{path.stem}"
    return _tune(path, folder, args, rest, seconds)


def _tune(path: Path, folder: Path, args: Any, rest: list[str], seconds: float) -> int:
    """Run the search.

    Args:
        path: The configuration.
        folder: Of the study.
        args: The parsed command line.
        rest: Further options of `visus fit`.
        seconds: The budget.
    """
    from importlib.util import find_spec

    if find_spec("optuna") is None:
        raise CommandError('visus tune needs Optuna; pip install "visus[tune]"')
    from visus.apps.tuning.results import describe, print_best, write_results
    from visus.apps.tuning.space import BLOCK
    from visus.apps.tuning.study import Workers, best_trial, keep_best_weights, start_study
    from visus.vision.cores import usable_cores

    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    content.pop(BLOCK, None)
    plan = _plan(path, folder, args, rest)
    study = start_study(folder, plan)
    (folder / _CONFIG).write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    known = {each.number for each in study.trials if each.state.is_finished()}
    if known:
        print(f"{folder}: continues after {len(known)} trials")

    def report() -> None:
        for trial in study.get_trials(deepcopy=False):
            if trial.state.is_finished() and trial.number not in known:
                known.add(trial.number)
                print(describe(trial, plan), flush=True)
                keep_best_weights(study)

    processes = args.processes or max(1, usable_cores() // 4)
    Workers(folder, processes, seconds).run(report)
    keep_best_weights(study, stopped=True)
    best = best_trial(study)
    if best is None:
        raise CommandError(_nothing(study, folder, args.budget))
    print_best(study, plan)
    write_results(study, plan, content, folder)
    place = "" if args.data is None else f" --data {args.data}"
    print(
        f"{folder / 'best.yaml'}: the best values; visus fit --config {folder / 'best.yaml'}{place}"
    )
    return 0


def _plan(path: Path, folder: Path, args: Any, rest: list[str]) -> "StudyPlan":
    """The plan of the study.

    Raises:
        CommandError: If the search space is wrong.
    """
    from visus.apps.training.config_files import check_config
    from visus.apps.training.config_options import known_options, own_values
    from visus.apps.tuning.space import BACKBONE_OPTIONS, BLOCK, default_space, read_space
    from visus.apps.tuning.study import StudyPlan
    from visus.models.backbones import list_backbones
    from visus.models.backbones.registry import option_defaults

    check_config(path)
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    own = own_values(path)
    block = content.get(BLOCK)
    searched = block.get("model.backbone") if isinstance(block, dict) else None
    known = [name for name in known_options(path).values() if "." in name]
    for backbone in [*(searched if isinstance(searched, list) else ()), own.get("model.backbone")]:
        if isinstance(backbone, str) and list_backbones(backbone):
            options = {f"{BACKBONE_OPTIONS}.{k}": v for k, v in option_defaults(backbone).items()}
            known += options
            own = options | own
    space = read_space(path, known) or default_space(own)
    task: Any = locate(str(content["model"]["class_path"]))
    figure, mode = task.monitor
    arguments = ["--config", str(folder / _CONFIG), *rest]
    if args.data is not None:
        arguments += ["--data", args.data]
    if args.trial_time is not None:
        arguments += ["--trainer.max_time", f"{{seconds: {args.trial_time:g}}}"]
    return StudyPlan(
        arguments=arguments,
        space=space,
        defaults={
            key: own[key] for key, entry in space.items() if key in own and own[key] in entry
        },
        figure=figure,
        direction="maximize" if mode == "max" else "minimize",
        max_latency=None if args.max_latency is None else 1000 * args.max_latency,
    )


def _nothing(study: Any, folder: Path, budget: str) -> str:
    """Why no trial is complete."""
    problems = [each.user_attrs["problem"] for each in study.trials if "problem" in each.user_attrs]
    if problems:
        return f"no trial succeeded: {problems[-1]}"
    return (
        f"no trial ended within --budget {budget}; give a longer one, or --trial-time; "
        f"the same command continues {folder}"
    )
