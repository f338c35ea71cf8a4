"""visus demo: train on digits, name photographs, show the images."""

from pathlib import Path

from visus.apps.cli import CommandParser


def main(argv: list[str]) -> int:
    """Run the demonstration."""
    parser = CommandParser("demo", "Train on digits, name photographs, show the images.")
    parser.add_argument("--output", metavar="DIR", type=Path, default=Path("demo"))
    parser.add_argument("--epochs", type=int, help="passes over the digits")
    args = parser.parse_args(argv)

    from visus.apps.demo import run_demo

    return run_demo(args.output, args.epochs)
