"""visus backbones: list the networks that a task can use as its backbone."""

from visus.apps.parsing import CommandError, CommandParser


def main(argv: list[str]) -> int:
    """List the backbones that match a pattern."""
    parser = CommandParser("backbones", "List the networks that a task can use as its backbone.")
    parser.add_argument(
        "pattern", nargs="?", default="*", help="a name, or a pattern in quotes such as '*vit*'"
    )
    args = parser.parse_args(argv)
    return _list(args.pattern)


def _list(pattern: str) -> int:
    import difflib
    import warnings

    import torch
    from rich.table import Table

    from visus.apps.console import console
    from visus.models.backbones import create_backbone, list_backbones
    from visus.models.weights_manifest import IMAGENET
    from visus.vision.progress import track

    names = list_backbones(pattern)
    if not names:
        near = difflib.get_close_matches(pattern.strip("*"), list_backbones(), 3, 0.4)
        raise CommandError(f"no backbone matches {pattern!r}; similar: {', '.join(near) or 'none'}")
    offline = {entry.network for entry in IMAGENET if entry.find()}
    table = Table("name", "parameters", "strides", "channels", "weights offline")
    for name in track(names, "Building"):
        with torch.device("meta"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                backbone = create_backbone(name, 3)
            except Exception:
                # Networks without feature maps are no backbones; each family has its own error.
                continue
        table.add_row(
            name,
            f"{sum(p.numel() for p in backbone.parameters()) / 1e6:.2f} M",
            " ".join(map(str, backbone.strides)),
            " ".join(map(str, backbone.channels)),
            "yes" if name in offline else "no",
        )
    console().print(table)
    return 0
