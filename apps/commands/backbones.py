"""visus backbones: list the networks that a task can use as its backbone, or compare some."""

from pathlib import Path
from typing import TYPE_CHECKING

from visus.apps.parsing import CommandError, CommandParser

if TYPE_CHECKING:
    from argparse import Namespace

    from visus.models.backbone_table import BackboneRow


def main(argv: list[str]) -> int:
    """List the backbones that match a pattern, or train and compare some."""
    parser = CommandParser(
        "backbones", "List the networks that a task can use as its backbone, or compare some."
    )
    parser.add_argument(
        "pattern", nargs="?", default="*", help="a name, or a pattern in quotes such as '*vit*'"
    )
    parser.add_argument(
        "--compare", nargs="+", metavar="NAME", help="train these backbones, and compare them"
    )
    parser.add_argument("--data", metavar="PATH", help="with --compare: the data set")
    parser.add_argument(
        "--config", metavar="C", help="with --compare: a configuration; recognised from the data"
    )
    parser.add_argument("--budget", metavar="DURATION", help="with --compare: time of each, as 5m")
    parser.add_argument("--output", metavar="DIR", help="with --compare: folder for the results")
    args = parser.parse_args(argv)
    if not args.compare:
        for option in ("data", "config", "budget", "output"):
            if getattr(args, option) is not None:
                raise CommandError(f"--{option} belongs to --compare NAME NAME; add it")
        return _list(args.pattern)
    return _compare(args)


def _compare(args: "Namespace") -> int:
    """Train and compare the backbones of `--compare`."""
    from rich.table import Table

    from visus.apps.backbone_comparison import check_backbones, compare_backbones
    from visus.apps.console import console
    from visus.apps.runs import create_run_folder
    from visus.apps.training.arguments import recognised_config

    if args.data is None and args.config is None:
        raise CommandError("--compare needs --data PATH, or --config C for data without files")
    config = args.config or recognised_config(args.data)
    arguments = ["--config", config]
    for option in ("data", "budget"):
        value = getattr(args, option)
        arguments += [] if value is None else [f"--{option}", value]
    check_backbones(args.compare)
    folder = Path(args.output) if args.output else create_run_folder("comparisons", "backbones")
    folder.mkdir(parents=True, exist_ok=True)
    results = compare_backbones(args.compare, arguments, folder)
    table = Table("backbone", "initial weights", results[0].metric, "parameters", "multiply-adds")
    table.add_column(f"ms in {results[0].runtime}")
    for result in results:
        table.add_row(
            result.backbone,
            "ImageNet" if result.pretrained else "random",
            f"{result.value:.3f}",
            f"{result.parameters:,}",
            f"{result.multiply_adds:,}",
            f"{result.latency:.1f}",
        )
    console().print(table)
    print(f"wrote {folder}: comparison.json, comparison.png")
    return 0


def _list(pattern: str) -> int:
    from rich.table import Table

    from visus.apps.console import console
    from visus.models.backbone_table import read_table
    from visus.models.weights_manifest import IMAGENET

    rows = read_table(pattern) or _measured(pattern)
    offline = {entry.network for entry in IMAGENET if entry.find()}
    table = Table("name", "parameters", "strides", "channels", "weights offline")
    for row in rows:
        table.add_row(
            row.name,
            f"{row.parameters / 1e6:.2f} M",
            " ".join(map(str, row.strides)),
            " ".join(map(str, row.channels)),
            "yes" if row.name in offline else "no",
        )
    console().print(table)
    return 0


def _measured(pattern: str) -> "list[BackboneRow]":
    """The backbones that the table lacks, as the installed timm is newer than it.

    Raises:
        CommandError: If there is none.
    """
    import difflib

    from visus.models.backbone_table import read_table
    from visus.models.backbones import list_backbones
    from visus.models.backbones.measure import measure_backbone
    from visus.vision.progress import track

    measured = (measure_backbone(name) for name in track(list_backbones(pattern), "Building"))
    rows = [row for row in measured if row is not None]
    if not rows:
        known = [row.name for row in read_table()]
        near = difflib.get_close_matches(pattern.strip("*"), known, 3, 0.4)
        raise CommandError(f"no backbone matches {pattern!r}; similar: {', '.join(near) or 'none'}")
    return rows
