"""visus test: measure a model on its test data with the Lightning CLI."""


def main(argv: list[str]) -> int:
    """Measure a model on its test data with the Lightning CLI."""
    from visus.apps.training.run import run

    return run("test", argv)
