"""visus backbones: list networks, or walk through one layer by layer."""

import re

from visus.apps.cli import CommandError, CommandParser

_FORMULA = "output = (input + 2 * padding - kernel) / stride + 1, rounded down"


def main(argv: list[str]) -> int:
    """List the names that match, or with --input one network's layers."""
    parser = CommandParser("backbones", "List networks, or walk through one layer by layer.")
    parser.add_argument("pattern", nargs="?", default="*", help="a name, or a pattern in quotes")
    parser.add_argument("--input", metavar="CxHxW", help="walk through it with such a picture")
    args = parser.parse_args(argv)
    if args.input:
        found = re.fullmatch(r"(\d+)x(\d+)x(\d+)", args.input)
        if not found or not all(int(number) for number in found.groups()):
            raise CommandError(
                f"--input {args.input!r}: write channels x height x width, such as 1x32x32"
            )
        channels, height, width = (int(number) for number in found.groups())
        return _walk(args.pattern, (channels, height, width))
    return _list(args.pattern)


def _list(pattern: str) -> int:
    import difflib
    import warnings

    import torch
    from rich.table import Table

    from visus.apps.console import console
    from visus.models.backbones import create_backbone, list_backbones
    from visus.models.weights_manifest import MANIFEST
    from visus.vision.progress import track

    names = list_backbones(pattern)
    if not names:
        near = difflib.get_close_matches(pattern.strip("*"), list_backbones(), 3, 0.4)
        raise CommandError(f"no backbone matches {pattern!r}; near: {', '.join(near) or 'none'}")
    at_hand = {entry.network for entry in MANIFEST if entry.find()}
    table = Table("name", "parameters of its features", "strides", "channels", "weights offline")
    for name in track(names, "Building"):
        with torch.device("meta"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                backbone = create_backbone(name, 3)
            except Exception:
                # Networks without features are no backbones; each says so in its own way.
                continue
        table.add_row(
            name,
            f"{sum(p.numel() for p in backbone.parameters()) / 1e6:.2f} M",
            " ".join(map(str, backbone.strides)),
            " ".join(map(str, backbone.channels)),
            "yes" if name in at_hand else "no",
        )
    console().print(table)
    return 0


def _walk(name: str, shape: tuple[int, int, int]) -> int:
    from rich.table import Table

    from visus.apps.console import console
    from visus.models.backbones.summary import summarise
    from visus.models.backbones.classifier import create_classifier

    channels, height, width = shape
    network, _ = create_classifier(name, 10, channels, image_size=(height, width))
    try:
        layers = summarise(network, shape)
    except RuntimeError as error:
        raise CommandError(
            f"--input {channels}x{height}x{width}: {name} cannot take it ({error})"
        ) from None
    table = Table("layer", "kind", "kernel", "stride", "padding", "output", title=_FORMULA)
    for heading in ("height", "parameters", "multiply-adds", "receptive field"):
        table.add_column(heading)
    for layer in layers:
        windows = (layer.kernel, layer.stride, layer.padding)
        table.add_row(
            layer.name,
            layer.kind,
            *("" if pair is None else _side(pair) for pair in windows),
            "x".join(map(str, layer.output)),
            layer.formula,
            f"{layer.parameters:,}" if layer.parameters else "",
            f"{layer.multiply_adds:,}" if layer.multiply_adds else "",
            "all" if layer.receptive_field is None else str(layer.receptive_field),
        )
    console().print(table)
    print(
        f"{name} for 10 classes: {sum(p.numel() for p in network.parameters()):,} parameters, "
        f"{sum(layer.multiply_adds for layer in layers):,} multiply-adds a picture"
    )
    return 0


def _side(pair: tuple[int, int]) -> str:
    return str(pair[0]) if pair[0] == pair[1] else f"{pair[0]}x{pair[1]}"
