"""visus live: run a model on a camera or a video, in a window or to a file."""

from pathlib import Path

from apps.cli import CommandParser
from apps.commands.infer import (
    add_detection_arguments,
    add_face_arguments,
    add_source_arguments,
    prepare_detection,
    prepare_faces,
    report_problems,
)


def main(argv: list[str]) -> int:
    """Show or write the annotated frames until the source ends or the user stops."""
    parser = CommandParser("live", "Run a model on a camera or a video, in a window or to a file.")
    parser.add_argument("model", help="a checkpoint, run folder, latest, .onnx file, or a name")
    add_source_arguments(parser)
    parser.add_argument("--video", metavar="FILE", type=Path, help="write an .mp4 instead")
    parser.add_argument("--jsonl", metavar="FILE", help="write JSON Lines there; - for the output")
    add_detection_arguments(parser)
    add_face_arguments(parser)
    parser.add_argument("--runtime", help="torch, onnxruntime or openvino; default: the fastest")
    args = parser.parse_args(argv)

    from apps.captions import PacedModel
    from apps.live.loop import run_loop
    from apps.live.sinks import JsonLinesWriter, Sink, VideoSink, WindowSink
    from apps.live.sources import open_source
    from apps.runtimes import load_model

    # Before anything slow: without a screen the answer should come at once.
    window = None if args.video else WindowSink(f"visus {args.model}")
    source = open_source(args.source, args.size)
    sink: Sink = window or VideoSink(args.video, source.rate)
    model = load_model(args.model, args.runtime)
    if model.metadata.task == "captioning":
        model = PacedModel(model, source)
    tracker = prepare_detection(args, model, source)
    prepare_faces(args, model)
    jsonl = JsonLinesWriter(args.jsonl) if args.jsonl else None
    result = run_loop(model, source, [sink], jsonl, tracker=tracker)
    return report_problems(result.frames, result.problems)
