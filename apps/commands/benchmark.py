"""visus benchmark: measure how fast a model runs in each runtime."""

from visus.apps.commands.options import MODEL_HELP
from visus.apps.parsing import CommandParser
from visus.vision.durations import parse_seconds


def main(argv: list[str]) -> int:
    """Measure every runtime, and print a table."""
    parser = CommandParser("benchmark", "Measure how fast a model runs in each runtime.")
    parser.add_argument("model", help=MODEL_HELP)
    parser.add_argument(
        "source",
        nargs="?",
        help="images or a video (the first 32 frames); procedural scenes by default",
    )
    parser.add_argument(
        "--duration",
        metavar="DURATION",
        type=parse_seconds,
        default=3.0,
        help="minimum duration for each row; 3s by default",
    )
    parser.add_argument(
        "--peer",
        metavar="MODEL",
        help="also time this model of Ultralytics by its program yolo, which must be installed",
    )
    args = parser.parse_args(argv)

    from math import isnan

    from rich.table import Table

    from visus.apps.console import console
    from visus.apps.inference.benchmark import benchmark_images, measure_all
    from visus.apps.inference.yolo_program import find_yolo, yolo_latency
    from visus.vision.cores import usable_cores

    program = find_yolo() if args.peer else ""
    speeds = measure_all(args.model, args.source, args.duration)
    default = speeds[0].runtime
    table = Table("runtime", "precision", "cores", "latency ms", "p95 ms", "images/s")
    for heading in ("MB", "cold start s", ""):
        table.add_column(heading)
    for speed in speeds:
        live = speed.runtime == default and speed.cores == usable_cores()
        table.add_row(
            speed.runtime,
            speed.precision,
            str(speed.cores),
            f"{speed.median:.1f}",
            f"{speed.p95:.1f}",
            f"{speed.rate:.1f}",
            "" if isnan(speed.memory) else f"{speed.memory:.0f}",
            f"{speed.cold_start:.1f}",
            "visus live" if live else "",
        )
    console().print(table)
    if args.peer:
        images = benchmark_images(args.source)
        latency = yolo_latency(program, args.peer, images)
        print(f"yolo predict model={args.peer}: {latency:.1f} ms, mean of {len(images)} images")
    fastest = min(speeds, key=lambda speed: speed.median)
    if default == "torch" and fastest.runtime != "torch":
        option = " --precision bf16" if fastest.precision == "bf16" else ""
        print(f"{fastest.runtime} is faster: visus export {args.model} --output model.onnx{option}")
    return 0
