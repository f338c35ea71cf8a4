"""visus backbones: list the networks that a task can use as its backbone."""

from typing import TYPE_CHECKING

from visus.apps.parsing import CommandError, CommandParser

if TYPE_CHECKING:
    from visus.models.backbone_table import BackboneRow


def main(argv: list[str]) -> int:
    """List the backbones that match a pattern."""
    parser = CommandParser("backbones", "List the networks that a task can use as its backbone.")
    parser.add_argument(
        "pattern", nargs="?", default="*", help="a name, or a pattern in quotes such as '*vit*'"
    )
    args = parser.parse_args(argv)
    return _list(args.pattern)


def _list(pattern: str) -> int:
    from rich.table import Table

    from visus.apps.console import console
    from visus.models.backbone_table import read_table
    from visus.models.weights_manifest import IMAGENET

    rows = read_table(pattern) or _measured(pattern)
    offline = {entry.network for entry in IMAGENET if entry.find()}
    table = Table("name", "parameters", "strides", "channels", "weights offline")
    for row in rows:
        table.add_row(
            row.name,
            f"{row.parameters / 1e6:.2f} M",
            " ".join(map(str, row.strides)),
            " ".join(map(str, row.channels)),
            "yes" if row.name in offline else "no",
        )
    console().print(table)
    return 0


def _measured(pattern: str) -> "list[BackboneRow]":
    """The backbones that the table lacks, as the installed timm is newer than it.

    Raises:
        CommandError: If there is none.
    """
    import difflib

    from visus.models.backbone_table import read_table
    from visus.models.backbones import list_backbones
    from visus.models.backbones.measure import measure_backbone
    from visus.vision.progress import track

    measured = (measure_backbone(name) for name in track(list_backbones(pattern), "Building"))
    rows = [row for row in measured if row is not None]
    if not rows:
        known = [row.name for row in read_table()]
        near = difflib.get_close_matches(pattern.strip("*"), known, 3, 0.4)
        raise CommandError(f"no backbone matches {pattern!r}; similar: {', '.join(near) or 'none'}")
    return rows
