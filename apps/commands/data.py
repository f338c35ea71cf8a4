"""visus data: check a data set, or convert one of detection to another format."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from apps.cli import EXIT_BAD_INPUT, ActionParser, CommandError, CommandParser

if TYPE_CHECKING:
    from datamodules.problems import Problem


def main(argv: list[str]) -> int:
    """Print the counts and every problem; exit code 2 if any would stop training."""
    parser = CommandParser("data", "Check or convert a data set.")
    actions = parser.add_subparsers(dest="action", required=True, parser_class=ActionParser)
    check = actions.add_parser("check")
    convert = actions.add_parser("convert")
    for action in (check, convert):
        action.add_argument("path", type=Path, help="a folder of classes, labels or masks; a CSV")
        action.add_argument("--format", choices=("coco", "voc", "yolo"), help="of detection labels")
        action.add_argument(
            "--exif", choices=("auto", "apply", "ignore"), default="auto",
            help="what EXIF orientation means to detection labels",
        )  # fmt: skip
    check.add_argument(
        "--task", choices=("classification", "detection", "segmentation"),
        help="what the data are for; by default what they look like",
    )  # fmt: skip
    check.add_argument("--ignore", default="255", help="value or class of masks that is no class")
    check.add_argument("--in-channels", type=int, default=3, help="channels of pictures with masks")
    check.add_argument("--draw", metavar="DIR", type=Path, help="draw boxes or masks there")
    convert.add_argument("--to", choices=("coco", "voc", "yolo"), required=True)
    convert.add_argument("--output", metavar="DIR", type=Path, required=True)
    args = parser.parse_args(argv)
    if not args.path.exists():
        raise CommandError(f"{args.path}: there is no such folder or file; check the path")

    if args.action == "convert":
        return _convert(args)
    task = args.task or _task_of(args)
    if task == "segmentation":
        return _check_segmentation(args)
    if task == "detection":
        return _check_detection(args)
    if args.draw:
        raise CommandError(f"--draw shows boxes or masks; {args.path} holds none")
    return _check_classification(args.path)


def _task_of(args: argparse.Namespace) -> str:
    """What the data look like."""
    from datamodules.detection_files import recognise
    from datamodules.segmentation_files import is_segmentation

    if args.format:
        return "detection"
    masked, boxed = is_segmentation(args.path), recognise(args.path)
    if masked and boxed:
        raise CommandError(
            f"{args.path}: holds masks and {boxed} labels; say --task segmentation or detection"
        )
    if masked:
        return "segmentation"
    return "detection" if boxed else "classification"


def _check_classification(path: Path) -> int:
    from rich.table import Table

    from apps.console import console
    from datamodules.classification_files import count_classes, read_listing

    listing = read_listing(path)
    splits = sorted({sample.split for sample in listing.samples})
    table = Table("class", *(split or "pictures" for split in splits))
    counts = [
        count_classes([s for s in listing.samples if s.split == split], listing.class_names)
        for split in splits
    ]
    for i, name in enumerate(listing.class_names):
        table.add_row(name, *(str(column[i]) for column in counts))
    console().print(table)
    if listing.multi_label:
        print("several labels a picture")
    _tell_sizes([sample.size for sample in listing.samples])
    return _tell_problems(listing.problems)


def _check_segmentation(args: argparse.Namespace) -> int:
    from rich.table import Table

    from apps.console import console
    from apps.label_pictures import draw_masks
    from datamodules.segmentation_files import read_segmentation

    ignore = int(args.ignore) if args.ignore.isdecimal() else args.ignore
    ignore = None if ignore == "null" else ignore
    listing = read_segmentation(
        args.path, ignore=ignore, exif=args.exif, in_channels=args.in_channels
    )
    splits = sorted({picture.split for picture in listing.pictures})
    table = Table("class", *(f"{split or 'pixels'}, in pictures" for split in splits))
    members = [[p for p in listing.pictures if p.split == split] for split in splits]
    wholes = [max(1, sum(sum(p.counts) for p in pictures)) for pictures in members]
    for i, name in enumerate(listing.classes.names):
        told = [
            f"{sum(p.counts[i] for p in pictures) / whole:.2%}, "
            f"{sum(p.counts[i] > 0 for p in pictures)}"
            for pictures, whole in zip(members, wholes, strict=True)
        ]
        table.add_row(name, *told)
    table.add_section()
    table.add_row("pictures", *(str(len(pictures)) for pictures in members))
    pixels = [max(1, sum(p.size[0] * p.size[1] for p in pictures)) for pictures in members]
    shares = zip(wholes, pixels, strict=True)
    table.add_row("of their pixels in no class", *(f"{1 - a / b:.2%}" for a, b in shares))
    console().print(table)
    _tell_sizes([picture.size for picture in listing.pictures])
    if args.draw:
        print(f"{draw_masks(listing, args.draw)} pictures with their masks drawn in {args.draw}")
    return _tell_problems(listing.problems)


def _check_detection(args: argparse.Namespace) -> int:
    from collections import Counter

    from rich.table import Table

    from apps.console import console
    from apps.label_pictures import draw_labels
    from datamodules.detection_files import read_detection

    listing = read_detection(args.path, args.format, exif=args.exif)
    splits = sorted({picture.split for picture in listing.pictures})
    table = Table("class", *(split or "objects" for split in splits), title=listing.format)
    counts = [
        Counter(i.label for p in listing.pictures if p.split == split for i in p.objects)
        for split in splits
    ]
    for name in listing.class_names:
        table.add_row(name, *(str(count[name]) for count in counts))
    by_split = [[p for p in listing.pictures if p.split == split] for split in splits]
    table.add_section()
    table.add_row("pictures", *(str(len(members)) for members in by_split))
    empty = [sum(not picture.objects for picture in members) for members in by_split]
    table.add_row("of these without objects", *map(str, empty))
    console().print(table)
    _tell_sizes([picture.size for picture in listing.pictures])
    objects = [item for picture in listing.pictures for item in picture.objects]
    sides = sorted(min(i.box[2] - i.box[0], i.box[3] - i.box[1]) for i in objects)
    if sides:
        middle = sides[len(sides) // 2]
        masks = sum(item.has_mask for item in objects)
        print(
            f"{len(objects)} objects, their shorter sides {sides[0]:g} to {sides[-1]:g} px, "
            f"{middle:g} in the middle; {masks} have masks"
        )
    if args.draw:
        print(f"{draw_labels(listing, args.draw)} labelled pictures drawn in {args.draw}")
    return _tell_problems(listing.problems)


def _tell_problems(problems: "Sequence[Problem]") -> int:
    """Print all; the exit code tells whether any would stop training."""
    from datamodules.problems import report

    print(report(problems))
    stopping = any(problem.severity != "warning" for problem in problems)
    return EXIT_BAD_INPUT if stopping else 0


def _convert(args: argparse.Namespace) -> int:
    from datamodules.detection_convert import convert
    from datamodules.detection_files import read_detection
    from datamodules.problems import report

    listing = read_detection(args.path, args.format, exif=args.exif)
    lost = convert(listing, args.to, args.output)
    print(report((*listing.problems, *lost)))
    objects = sum(len(picture.objects) for picture in listing.pictures)
    print(
        f"{len(listing.pictures)} pictures with {objects} objects written to {args.output} "
        f"as {args.to}; {listing.left_out} bad ones were left out"
    )
    return EXIT_BAD_INPUT if listing.left_out else 0


def _tell_sizes(sizes: list[tuple[int, int]]) -> None:
    if sizes:
        heights, widths = (sorted(size[axis] for size in sizes) for axis in (0, 1))
        print(
            f"{len(sizes)} readable pictures, {widths[0]} to {widths[-1]} wide, "
            f"{heights[0]} to {heights[-1]} high"
        )
