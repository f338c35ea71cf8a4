"""visus fit: train a network with the Lightning CLI."""

from visus.apps.training.arguments import parse_arguments


def main(argv: list[str]) -> int:
    """Train a network with the Lightning CLI."""
    # Before anything slow: a wrong argument is reported at once.
    given = parse_arguments("fit", argv)
    from visus.apps.training.run import run

    return run("fit", given)
