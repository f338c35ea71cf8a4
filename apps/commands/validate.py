"""visus validate: measure a model on its validation data with the Lightning CLI."""

from visus.apps.training.arguments import parse_arguments


def main(argv: list[str]) -> int:
    """Measure a model on its validation data with the Lightning CLI."""
    # Before anything slow: a wrong argument is reported at once.
    given = parse_arguments("validate", argv)
    from visus.apps.training.run import run

    return run("validate", given)
