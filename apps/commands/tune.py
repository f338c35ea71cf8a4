"""visus tune: search for better arguments of a training, within a time budget."""

from importlib.util import find_spec
from pathlib import Path

from visus.apps.parsing import CommandError, CommandParser
from visus.apps.runs import RUNS
from visus.configs import find_config
from visus.vision.durations import parse_seconds


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
        "--budget",
        metavar="TIME",
        type=parse_seconds,
        required=True,
        help="of the search, such as 60m",
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
    if args.trial_time is not None and args.trial_time > args.budget:
        raise CommandError(
            f"--budget {args.budget:g} s is too short for one trial of {args.trial_time:g} s"
        )
    if args.config is None:
        if args.data is None:
            raise CommandError("name your data, visus tune --data PATH, or a configuration")
        from visus.apps.training.arguments import recognised_config

        args.config = recognised_config(args.data)
    config = find_config(args.config)
    folder = args.output or RUNS / "tune" / f"{config.parent.name}-{config.stem}"
    data = [] if args.data is None else ["--data", args.data]
    arguments = [*rest, *data]
    if args.trial_time is not None:
        arguments += ["--trainer.max_time", _lightning_duration(args.trial_time)]

    if find_spec("optuna") is None:
        raise CommandError('visus tune needs Optuna; pip install "visus[tune]"')
    from visus.apps.tuning.planning import plan_study
    from visus.apps.tuning.run import run_study
    from visus.vision.cores import usable_cores

    latency = None if args.max_latency is None else 1000 * args.max_latency
    plan = plan_study(config, folder, arguments, latency)
    run_study(config, folder, plan, args.budget, args.processes or max(1, usable_cores() // 4))
    best = folder / "best.yaml"
    trust = [word for word in rest if word.replace("_", "-") == "--allow-custom-classes"]
    words = ["visus fit --config", str(best), *trust]
    print(f"{best}: the options of the best trial; {' '.join(words)}")
    return 0


def _lightning_duration(seconds: float) -> str:
    """A duration as Lightning reads it, days:hours:minutes:seconds; at least one second."""
    minutes, rest = divmod(max(1, round(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    return f"{days:02}:{hours:02}:{minutes:02}:{rest:02}"
