"""visus predict: run a model on images, folders or videos."""

import sys
from argparse import Namespace
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

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

if TYPE_CHECKING:
    from visus.apps.live.sources import Source


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
    parser.add_argument(
        "--engine",
        metavar="ray",
        help="predict the images of a folder by the processes of this machine, ray, or of a "
        "cluster, ray://HOST:6379; --jsonl or --parquet name a folder of partitions then",
    )
    parser.add_argument("--parquet", metavar="DIR", type=Path, help="with --engine: Parquet files")
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
    if args.engine is not None:
        return _predict_on_cluster(args, source)
    if args.parquet is not None:
        raise CommandError("--parquet needs --engine ray")
    outputs = {"--jsonl": args.jsonl, **output_files(args)}
    folders = {"--draw": args.draw, "--explain": args.explain, "--output": args.output}
    check_outputs({**outputs, **folders}, [])
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
    sinks = [explain_sink(session.model, args.explain, source.files)] if args.explain else []
    name = without_secrets(args.source) if is_stream(args.source) else args.source
    labels = label_files(args.labels, args.output, session.model)
    if labels is not None:
        session.watchers.append(labels)
    with ExitStack() as at_the_end:
        if labels is not None:
            # Also after an error: what was predicted may have taken hours.
            messages = sys.stderr if args.jsonl == "-" else sys.stdout
            at_the_end.callback(lambda: print(printable(labels.finish()), file=messages))
        result = predict_all(session, source, args.draw, args.jsonl, sinks, name)
    return report_problems(result.frames, result.problems)


def _predict_on_cluster(args: Namespace, source: "Source") -> int:
    """Predict images by the processes of a cluster; returns the exit code."""
    from visus.apps.cluster.partitions import Partitions
    from visus.apps.cluster.ray_engine import check_engine, predict_partitions
    from visus.apps.cluster.worker import Job
    from visus.apps.inference.loading import load_model
    from visus.apps.live.sources.files import ImageSource
    from visus.apps.outputs import check_outputs
    from visus.apps.runs import find_model
    from visus.tasks.registry import task_spec

    check_engine(args.engine)
    given = {"--draw": args.draw, "--explain": args.explain, "--labels": args.labels}
    given |= {"--every": args.every, **output_files(args)}
    for option, value in given.items():
        if value is not None:
            raise CommandError(f"{option}: works without --engine, on one machine")
    if not isinstance(source, ImageSource):
        raise CommandError(
            f"--engine: predicts images; {args.source} is neither an image nor a folder"
        )
    if (args.jsonl is None) == (args.parquet is None) or args.jsonl == "-":
        raise CommandError("--engine: name a folder to write, by --jsonl DIR or --parquet DIR")
    option, suffix = ("--parquet", ".parquet") if args.parquet else ("--jsonl", ".jsonl")
    folder = args.parquet or Path(args.jsonl)
    _refuse_file(option, folder)
    check_outputs({option: folder}, [args.model])
    found = find_model(args.model)
    model = load_model(args.model, args.runtime)
    (values,) = task_values(args, [model])
    session = task_spec(model.metadata.task).configure(model, values, source)
    if session.watchers or session.closing or session.as_a_whole or session.conceal:
        raise CommandError(
            "--engine: images are predicted one by one; leave the options out that "
            "count, follow or blur objects"
        )
    partitions = Partitions(folder, suffix, source.files)
    partitions.claim(found, {"runtime": model.runtime, **values})
    place = str(found.absolute()) if isinstance(found, Path) else found
    # Workers have folders of their own.
    values = {name: _absolute(value) for name, value in values.items()}
    job = Job(place, args.runtime, values, str(Path.cwd()), 1, session.private)
    result = predict_partitions(args.engine, job, partitions)
    for line in result.written:
        print(printable(line))
    return report_problems(result.frames, result.problems)


def _absolute(value: Any) -> Any:
    """The value of an option; a path of an existing file as an absolute one."""
    is_file = isinstance(value, str | Path) and Path(value).is_file()
    return type(value)(Path(value).absolute()) if is_file else value


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
