"""visus demo: train on digits, classify photographs, show the images."""

from pathlib import Path

from visus.apps.parsing import CommandParser


def main(argv: list[str]) -> int:
    """Run the demonstration."""
    parser = CommandParser("demo", "Train on digits, classify photographs, show the images.")
    parser.add_argument(
        "--output", metavar="DIR", type=Path, default=Path("demo"), help="demo by default"
    )
    parser.add_argument("--epochs", type=int, help="epochs of training")
    args = parser.parse_args(argv)

    from visus.apps.demo import run_demo

    return run_demo(args.output, args.epochs)
