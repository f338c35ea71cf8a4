"""visus inspect: show a network layer by layer."""

import re

from visus.apps.parsing import CommandError, CommandParser

_FORMULA = "output = (input + 2 * padding - kernel) / stride + 1, rounded down"


def main(argv: list[str]) -> int:
    """Print a table with a row for each layer."""
    parser = CommandParser("inspect", "Show a network layer by layer.")
    parser.add_argument("backbone", help="a name from visus backbones")
    parser.add_argument(
        "--input",
        metavar="CxHxW",
        default="3x224x224",
        help="shape of its input, 3x224x224 by default",
    )
    args = parser.parse_args(argv)
    match = re.fullmatch(r"(\d+)x(\d+)x(\d+)", args.input)
    if not match or not all(int(side) for side in match.groups()):
        raise CommandError(
            f"--input {args.input!r}: write channels x height x width, such as 1x32x32"
        )
    channels, height, width = (int(side) for side in match.groups())
    return _inspect_backbone(args.backbone, (channels, height, width))


def _inspect_backbone(name: str, shape: tuple[int, int, int]) -> int:
    from rich.table import Table

    from visus.apps.console import console
    from visus.models.backbones.classifier import create_classifier
    from visus.models.backbones.summary import summarise

    channels, height, width = shape
    network, _ = create_classifier(name, 10, channels, image_size=(height, width))
    try:
        layers = summarise(network, shape)
    except RuntimeError as error:
        raise CommandError(
            f"--input {channels}x{height}x{width}: does not suit {name} ({error})"
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
        f"{sum(layer.multiply_adds for layer in layers):,} multiply-adds an image"
    )
    return 0


def _side(pair: tuple[int, int]) -> str:
    return str(pair[0]) if pair[0] == pair[1] else f"{pair[0]}x{pair[1]}"
