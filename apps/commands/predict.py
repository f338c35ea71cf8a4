"""visus predict: write a model's predictions for a data set with the Lightning CLI."""


def main(argv: list[str]) -> int:
    """Write a model's predictions for a data set with the Lightning CLI."""
    from visus.apps.training.run import run

    return run("predict", argv)
