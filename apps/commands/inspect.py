"""visus inspect: show a network layer by layer, in the terminal or as a page."""

import re
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from visus.apps.parsing import CommandError, CommandParser
from visus.vision.image_files import EXTENSIONS, list_images
from visus.vision.printable import printable

if TYPE_CHECKING:
    from visus.apps.inference.inspected import InspectedNetwork
    from visus.vision.images import Pixels

_FORMULA = "output = (input + 2 * padding - kernel) / stride + 1, rounded down"


def main(argv: list[str]) -> int:
    """Print a table with a row for each layer, or write a page on one image."""
    parser = CommandParser(
        "inspect", "Show a network layer by layer: a table, or a page on an image of your own."
    )
    parser.add_argument(
        "network",
        metavar="model",
        help="a checkpoint, run folder, latest or a name; or a name from visus backbones",
    )
    parser.add_argument("image", nargs="?", type=Path, help="the image that the page shows")
    parser.add_argument(
        "--input", metavar="CxHxW", help="shape of a backbone's input, 3x224x224 by default"
    )
    parser.add_argument(
        "--output", metavar="FILE", type=Path, help="write a page, such as tour.html"
    )
    parser.add_argument(
        "--layer", help="the convolution that the page shows step by step; the first by default"
    )
    parser.add_argument(
        "--patches",
        metavar="FOLDER",
        type=Path,
        help="images among which the page shows the patches that excite a channel most",
    )
    args = parser.parse_args(argv)
    shape = None if args.input is None else _shape(args.input)
    _check(args)

    from visus.apps.inference.inspected import load_inspected
    from visus.vision.images import read_image

    # An unreadable image is reported before the model is loaded.
    image = None if args.image is None else read_image(args.image)
    inspected = load_inspected(args.network, shape)
    if args.output is None:
        _print_layers(inspected)
        if image is not None:
            print(printable(f"add --output tour.html for what {args.image} becomes in each layer"))
        return 0
    assert image is not None
    _write_page(inspected, image, args)
    return 0


def _shape(text: str) -> tuple[int, int, int]:
    match = re.fullmatch(r"(\d+)x(\d+)x(\d+)", text)
    if not match or not all(int(side) for side in match.groups()):
        raise CommandError(f"--input {text!r}: write channels x height x width, such as 1x32x32")
    channels, height, width = (int(side) for side in match.groups())
    return channels, height, width


def _check(args: Namespace) -> None:
    """Refuse arguments that do not belong together, before anything is read.

    Raises:
        CommandError: If they do not.
    """
    from visus.apps.outputs import check_outputs

    if Path(args.network).suffix.lower() in EXTENSIONS:
        raise CommandError(
            f"{args.network!r} is an image; the model comes first: visus inspect "
            f"{args.image or 'MODEL'} {args.network}"
        )
    if args.output is None:
        for option in ("layer", "patches"):
            if getattr(args, option) is not None:
                raise CommandError(f"--{option} is for a page; add --output tour.html")
        return
    if args.image is None:
        raise CommandError(
            f"--output {args.output}: the page shows a network on an image; name one: "
            f"visus inspect {args.network} IMAGE --output {args.output}"
        )
    if args.output.suffix.lower() not in {".html", ".htm"}:
        raise CommandError(f"--output {args.output}: is written as HTML; name a .html file")
    check_outputs({"--output": args.output}, [args.network, args.image])
    if args.patches is not None and not args.patches.is_dir():
        raise CommandError(f"--patches {args.patches}: there is no such folder; check the path")
    if args.patches is not None and not list_images(args.patches):
        raise CommandError(f"--patches {args.patches}: holds no image; name a folder of images")


def _print_layers(inspected: "InspectedNetwork") -> None:
    from rich.table import Table

    from visus.apps.console import console
    from visus.models.backbones.summary import summarise

    channels, height, width = inspected.shape
    try:
        layers = summarise(inspected.network, inspected.shape, inspected.forward)
    except RuntimeError as error:
        raise CommandError(
            f"--input {channels}x{height}x{width}: does not suit {inspected.name} ({error})"
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
    parameters = sum(p.numel() for p in inspected.network.parameters())
    print(
        f"{printable(inspected.name)} for {inspected.description}: {parameters:,} parameters, "
        f"{sum(layer.multiply_adds for layer in layers):,} multiply-adds an image"
    )


def _side(pair: tuple[int, int]) -> str:
    return str(pair[0]) if pair[0] == pair[1] else f"{pair[0]}x{pair[1]}"


def _write_page(inspected: "InspectedNetwork", image: "Pixels", args: Namespace) -> None:
    from visus.apps.pages.inspection.page import inspection_page
    from visus.vision.output_files import write_text

    page = inspection_page(inspected, image, str(args.image), args.layer, args.patches)
    write_text(args.output, page)
    print(printable(f"{args.output}: {len(page.encode()) / 1e6:.1f} MB; open it in a browser"))
