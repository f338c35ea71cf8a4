"""visus fit: train a network with the Lightning CLI."""


def main(argv: list[str]) -> int:
    """Train a network with the Lightning CLI."""
    from apps.training import run

    return run("fit", argv)
