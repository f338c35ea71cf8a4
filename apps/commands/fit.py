"""visus fit: train a network with the Lightning CLI."""


def main(argv: list[str]) -> int:
    """Train a network with the Lightning CLI."""
    from visus.apps.training.run import run

    return run("fit", argv)
