"""visus test: measure a model on its test data with the Lightning CLI."""


def main(argv: list[str]) -> int:
    """Measure a model on its test data with the Lightning CLI."""
    from apps.training import run

    return run("test", argv)
