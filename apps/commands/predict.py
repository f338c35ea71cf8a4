"""visus predict: run a model on images, folders or videos."""

import sys
from pathlib import Path

from visus.apps.addresses import is_stream, without_secrets
from visus.apps.commands.options import (
    MODEL_HELP,
    add_runtime_argument,
    add_source_arguments,
    add_task_options,
    input_files,
    output_files,
    parse_with_source,
    report_problems,
    task_values,
)
from visus.apps.labelling import add_label_arguments, label_files
from visus.apps.parsing import CommandError, CommandParser
from visus.vision.durations import parse_seconds
from visus.vision.image_files import EXTENSIONS, VIDEO_EXTENSIONS
from visus.vision.printable import printable


def main(argv: list[str]) -> int:
    """Predict, print, and write the requested files."""
    parser = CommandParser("predict", "Run a model on images, folders or videos.")
    parser.add_argument("model", help=MODEL_HELP)
    add_source_arguments(parser)
    parser.add_argument("--jsonl", metavar="FILE", help="write JSON Lines; - for standard output")
    parser.add_argument("--draw", metavar="DIR", type=Path, help="write annotated images there")
    parser.add_argument(
        "--explain", metavar="DIR", type=Path, help="write maps that explain the predictions"
    )
    add_label_arguments(parser)
    parser.add_argument(
        "--every",
        metavar="DURATION",
        type=parse_seconds,
        help="interval between the predicted frames of a video, such as 2s",
    )
    add_runtime_argument(parser)
    add_task_options(parser, "predict")
    args = parse_with_source(parser, argv)
    _refuse_file("--draw", args.draw)
    _refuse_file("--explain", args.explain)

    from visus.apps.inference.backends import usable_workers
    from visus.apps.inference.loading import load_model
    from visus.apps.live.sources import SampledSource, open_source
    from visus.apps.outputs import check_outputs
    from visus.apps.predicting import explain_sink, predict_all
    from visus.tasks.registry import task_spec

    source = open_source(args.source, args.size, args.rate)
    outputs = {"--jsonl": args.jsonl, **output_files(args)}
    check_outputs(outputs, [*source.files, args.model, *input_files(args)])
    model = load_model(args.model, args.runtime, usable_workers() if source.stored else 1)
    (values,) = task_values(args, [model])
    if args.every is not None and source.still:
        raise CommandError("--every is for videos; the source is images")
    spec = task_spec(model.metadata.task)
    session = spec.configure(model, values, source)
    if session.conceal is not None and args.labels is not None:
        raise CommandError("--blur: --labels copies the original images; give one of both")
    if args.every is not None:
        source = SampledSource(source, args.every)
    sinks = [explain_sink(session.model, args.explain)] if args.explain else []
    name = without_secrets(args.source) if is_stream(args.source) else args.source
    labels = label_files(args.labels, args.output, session.model)
    if labels is not None:
        session.watchers.append(labels)
    result = predict_all(session, source, args.draw, args.jsonl, sinks, name)
    if labels is not None:
        print(printable(labels.finish()), file=sys.stderr if args.jsonl == "-" else sys.stdout)
    return report_problems(result.frames, result.problems)


def _refuse_file(option: str, folder: Path | None) -> None:
    """Stop where the name of a file is given for a folder.

    Raises:
        CommandError: If it is a file, or has the suffix of an image or a video.
    """
    if folder is None or folder.is_dir():
        return
    if folder.exists():
        raise CommandError(f"{option} {folder}: is a file; name a folder")
    if folder.suffix.lower() in EXTENSIONS | VIDEO_EXTENSIONS:
        raise CommandError(
            f"{option} {folder}: writes one file for each image into a folder; name a folder, "
            f"such as {option} {folder.with_suffix('')}"
        )
