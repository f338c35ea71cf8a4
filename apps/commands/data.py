"""visus data: check a data set, or convert one of detection to another format."""

import argparse
from pathlib import Path

from visus.apps.cli import EXIT_BAD_INPUT, ActionParser, CommandError, CommandParser
from visus.apps.inference.predictions_tmp import TASKS


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
        "--task", choices=TASKS,
        help="what the data are for; by default what they look like, which people never do",
    )  # fmt: skip
    check.add_argument("--ignore", default="255", help="value or class of masks that is no class")
    check.add_argument("--in-channels", type=int, default=3, help="channels of pictures with masks")
    check.add_argument("--aligned", action="store_true", help="pictures of people are faces alone")
    check.add_argument("--min-face", type=int, default=40, help="the smallest to look for, pixels")
    check.add_argument("--draw", metavar="DIR", type=Path, help="draw boxes or masks there")
    convert.add_argument("--to", choices=("coco", "voc", "yolo"), required=True)
    convert.add_argument("--output", metavar="DIR", type=Path, required=True)
    args = parser.parse_args(argv)
    if not args.path.exists():
        raise CommandError(f"{args.path}: there is no such folder or file; check the path")

    if args.action == "convert":
        return _convert(args)
    from visus.apps.data_checks import CHECKS

    return CHECKS[args.task or _task_of(args)](args)


def _task_of(args: argparse.Namespace) -> str:
    """What the data look like."""
    from visus.datamodules.captioning.files import is_captions
    from visus.datamodules.core.detection_files import recognise
    from visus.datamodules.segmentation.files import is_segmentation

    if args.format:
        return "detection"
    if is_captions(args.path):
        return "captioning"
    masked, boxed = is_segmentation(args.path), recognise(args.path)
    if masked and boxed:
        raise CommandError(
            f"{args.path}: holds masks and {boxed} labels; say --task segmentation or detection"
        )
    if masked:
        return "segmentation"
    return "detection" if boxed else "classification"


def _convert(args: argparse.Namespace) -> int:
    from visus.datamodules.detection.convert import convert
    from visus.datamodules.core.detection_files import read_detection
    from visus.datamodules.core.problems import report

    listing = read_detection(args.path, args.format, exif=args.exif)
    lost = convert(listing, args.to, args.output)
    print(report((*listing.problems, *lost)))
    objects = sum(len(picture.objects) for picture in listing.pictures)
    print(
        f"{len(listing.pictures)} pictures with {objects} objects written to {args.output} "
        f"as {args.to}; {listing.left_out} bad ones were left out"
    )
    return EXIT_BAD_INPUT if listing.left_out else 0
