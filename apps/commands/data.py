"""visus data: check a data set, convert it to another format, or write sample inputs."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from visus.apps.parsing import EXIT_BAD_INPUT, ActionParser, CommandError, CommandParser
from visus.datamodules.core.shards.location import is_shards
from visus.datamodules.registry import data_spec, data_specs, recognise
from visus.vision.errors import VisusError

if TYPE_CHECKING:
    from visus.datamodules.core.spec import DataReport, DataSpec


def main(argv: list[str]) -> int:
    """Run one action; exit code 2 if a problem would stop training."""
    parser = CommandParser("data", "Check or convert a data set, or write sample inputs.")
    actions = parser.add_subparsers(dest="subcommand", required=True, parser_class=ActionParser)
    check = actions.add_parser("check", help="check every file of a data set")
    convert = actions.add_parser("convert", help="write a data set in another format")
    formats = sorted({name for spec in data_specs().values() for name in spec.conversions})
    for action in (check, convert):
        action.add_argument("path", help="a folder or a file of data, or the address of shards")
        action.add_argument(
            "--task", metavar="TASK", help="the task of the data; by default the recognised one"
        )
        _add_options(action)
    check.add_argument(
        "--draw", metavar="DIR", type=Path, help="draw the labels of some images there"
    )
    check.add_argument(
        "--data",
        metavar="CLASS",
        help="the data module that reads them, such as my_data.MyData in the current folder",
    )
    convert.add_argument("--to", choices=formats, required=True)
    convert.add_argument("--output", metavar="DIR", type=Path, required=True)
    samples = actions.add_parser("samples", help="write sample inputs")
    samples.add_argument("output", nargs="?", type=Path, default=Path("."), help="where to write")
    args = parser.parse_args(argv)
    if args.subcommand == "samples":
        from visus.apps.samples import write_samples

        for line in write_samples(args.output):
            print(line)
        return 0
    if is_shards(args.path):
        return _check_shards(args)
    args.path = Path(args.path)
    if not args.path.exists():
        raise CommandError(f"{args.path}: there is no such folder or file; check the path")
    return _convert(args) if args.subcommand == "convert" else _check(args)


def _add_options(action: argparse.ArgumentParser) -> None:
    """The options of all tasks' data."""
    added: set[str] = set()
    for spec in data_specs().values():
        for option in spec.options:
            if option.flag in added:
                continue
            added.add(option.flag)
            text = f"{spec.task}: {option.help}"
            if option.kind is None:
                action.add_argument(option.flag, action="store_true", default=None, help=text)
            else:
                action.add_argument(
                    option.flag, type=option.kind, choices=option.choices, help=text
                )


def _values(args: argparse.Namespace, spec: "DataSpec") -> dict[str, Any]:
    """The values of a task's options.

    Raises:
        CommandError: If an option of another task was given.
    """
    own = {option.name for option in spec.options}
    for other in data_specs().values():
        for option in other.options:
            if option.name not in own and getattr(args, option.name) is not None:
                raise CommandError(
                    f"{option.flag} belongs to {other.task}; {args.path} is {spec.task} data; "
                    f"pass --task {other.task} to read it as such"
                )
    return {
        option.name: option.default
        if getattr(args, option.name) is None
        else getattr(args, option.name)
        for option in spec.options
    }


def _check(args: argparse.Namespace) -> int:
    if args.data is not None and args.draw is not None:
        raise CommandError("--draw reads the labels by itself; leave --data CLASS out")
    if args.data is not None:
        return _check_module(args)
    spec = _recognised(args)
    values = _values(args, spec)
    report = spec.check(args.path, values)
    code = _print(report)
    if args.draw:
        drawn = spec.draw(args.path, values, args.draw)
        print(f"{drawn} labelled images drawn in {args.draw}")
    return code


def _recognised(args: argparse.Namespace) -> "DataSpec":
    """The named task, that of an option that only one task has, or the recognised one."""
    if args.task:
        return data_spec(args.task)
    given = {
        spec.task: spec
        for spec in data_specs().values()
        for option in spec.options
        if getattr(args, option.name) is not None
        and sum(option.flag in {o.flag for o in s.options} for s in data_specs().values()) == 1
    }
    return next(iter(given.values())) if len(given) == 1 else recognise(args.path)[0]


def _check_module(args: argparse.Namespace) -> int:
    """Check the files of a user's own data module."""
    import sys
    from pydoc import ErrorDuringImport, locate

    sys.path.append(str(Path.cwd()))
    try:
        module = locate(args.data)
    except ErrorDuringImport as error:
        raise CommandError(f"--data {args.data}: importing it failed: {error.value}") from error
    if not isinstance(module, type):
        raise CommandError(
            f"--data {args.data}: there is no such class; write module.Class, of a module in the "
            "current folder or an installed package"
        )
    for spec in data_specs().values():
        if any(issubclass(module, each) for each in spec.data_modules()):
            try:
                data = module(root=str(args.path))
            except TypeError as error:
                raise CommandError(
                    f"--data {args.data}: cannot be created from a path alone: {error}"
                ) from error
            try:
                report = spec.check_module(data)
            except VisusError:
                raise
            except Exception as error:
                # The user's own code reads the labels.
                raise CommandError(
                    f"--data {args.data}: reading {args.path} failed: {type(error).__name__}: "
                    f"{error}; --debug shows where"
                ) from error
            return _print(report)
    raise CommandError(f"--data {args.data}: extends no data module of visus")


def _print(report: "DataReport") -> int:
    """Print a report; exit code 2 if one would stop training."""
    from visus.apps.console import console
    from visus.datamodules.core.problems import screen_report
    from visus.vision.printable import printable

    for line in report.lines:
        if isinstance(line, str):
            print(printable(line))
        else:
            console().print(line)
    print(screen_report(report.problems))
    stopping = any(problem.severity != "warning" for problem in report.problems)
    return EXIT_BAD_INPUT if stopping else 0


def _check_shards(args: argparse.Namespace) -> int:
    """Compare every file in shards with its checksum."""
    from visus.datamodules.core.shards.data import check_shards

    if args.subcommand == "convert" or args.draw or args.data or args.task:
        raise CommandError(
            f"{args.path}: is in shards, which visus data check reads without options; draw or "
            "convert the folder that they were made from"
        )
    return _print(check_shards(args.path))


def _convert(args: argparse.Namespace) -> int:
    able = [spec for spec in data_specs().values() if args.to in spec.conversions]
    spec = able[0] if len(able) == 1 and not args.task else _recognised(args)
    if spec not in able:
        tasks = ", ".join(each.task for each in able)
        raise CommandError(
            f"{args.path}: holds {spec.task} data, which cannot be written as {args.to}; data of "
            f"these tasks can: {tasks}"
        )
    report = spec.convert(args.path, _values(args, spec), args.to, args.output)
    return _print(report)
