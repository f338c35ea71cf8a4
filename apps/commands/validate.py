"""visus validate: measure a model on its validation data with the Lightning CLI."""


def main(argv: list[str]) -> int:
    """Measure a model on its validation data with the Lightning CLI."""
    from visus.apps.training.run import run

    return run("validate", argv)
