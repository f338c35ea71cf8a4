"""visus data: check a data set."""

from pathlib import Path

from apps.cli import EXIT_BAD_INPUT, CommandError, CommandParser


def main(argv: list[str]) -> int:
    """Print the counts and every problem; exit code 2 if any would stop training."""
    parser = CommandParser("data", "Check a data set: visus data check PATH.")
    parser.add_argument("action", choices=["check"], help="what to do")
    parser.add_argument("path", type=Path, help="a folder of class folders, or a CSV")
    args = parser.parse_args(argv)
    if not args.path.exists():
        raise CommandError(f"{args.path}: there is no such folder or CSV; check the path")

    from rich.table import Table

    from apps.console import console
    from datamodules.classification_files import count_classes, read_listing
    from datamodules.problems import report

    listing = read_listing(args.path)
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
    if listing.samples:
        heights = sorted(sample.size[0] for sample in listing.samples)
        widths = sorted(sample.size[1] for sample in listing.samples)
        print(
            f"{len(listing.samples)} readable pictures, {widths[0]} to {widths[-1]} wide, "
            f"{heights[0]} to {heights[-1]} high"
        )
    print(report(listing.problems))
    stopping = any(problem.severity != "warning" for problem in listing.problems)
    return EXIT_BAD_INPUT if stopping else 0
