"""visus infer: run a model on pictures, folders or videos."""

import sys
from pathlib import Path

from apps.cli import EXIT_INCOMPLETE, CommandParser


def main(argv: list[str]) -> int:
    """Predict, print, and write what was asked for."""
    parser = CommandParser("infer", "Run a model on pictures, folders or videos.")
    parser.add_argument("model", help="a checkpoint, run folder, latest, .onnx file, or a name")
    parser.add_argument("source", help="a picture, a folder, a glob in quotes, a video, a camera")
    parser.add_argument("--jsonl", metavar="FILE", help="write JSON Lines there; - for the output")
    parser.add_argument("--draw", metavar="DIR", type=Path, help="write annotated pictures there")
    parser.add_argument("--explain", metavar="DIR", type=Path, help="show which pixels decided")
    parser.add_argument("--runtime", help="torch, onnxruntime or openvino; default: the fastest")
    args = parser.parse_args(argv)

    from apps.live.loop import run_loop
    from apps.live.sinks import JsonLinesWriter, PictureSink, Sink
    from apps.live.sources import Frame, open_source
    from apps.runtimes import load_model
    from vision.predictions import Prediction

    source = open_source(args.source)
    model = load_model(args.model, args.runtime)
    sinks: list[Sink] = [PictureSink(args.draw, source.rate)] if args.draw else []
    if args.explain:
        from apps.explain import ExplainSink

        sinks.append(ExplainSink(model, args.explain))

    def tell(frame: Frame, prediction: Prediction) -> None:
        place = "" if frame.index is None else f" frame {frame.index}"
        print(f"{frame.source}{place}: {prediction.summary()}", flush=True)

    jsonl = JsonLinesWriter(args.jsonl) if args.jsonl else None
    result = run_loop(model, source, sinks, jsonl, None if args.jsonl == "-" else tell)
    return report_problems(result.frames, result.problems)


def report_problems(frames: int, problems: list[str]) -> int:
    """Name what could not be read; returns the exit code."""
    for problem in problems:
        print(f"visus: {problem}", file=sys.stderr)
    if problems:
        print(f"visus: {frames} read, {len(problems)} problems", file=sys.stderr)
    return EXIT_INCOMPLETE if problems else 0
