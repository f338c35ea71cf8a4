"""visus infer: run a model on pictures, folders or videos."""

import sys
from argparse import ArgumentTypeError, Namespace
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from visus.apps.addresses import is_stream, without_secrets
from visus.apps.cli import EXIT_INCOMPLETE, CommandError, CommandParser
from visus.vision.errors import VisusError

if TYPE_CHECKING:
    from visus.apps.live.sources.files_tmp import Source
    from visus.apps.inference.runtimes_tmp import Model
    from visus.vision.images import Pixels


def main(argv: list[str]) -> int:
    """Predict, print, and write what was asked for."""
    parser = CommandParser("infer", "Run a model on pictures, folders or videos.")
    parser.add_argument("model", help="a checkpoint, run folder, latest, .onnx file, or a name")
    add_source_arguments(parser)
    parser.add_argument("--jsonl", metavar="FILE", help="write JSON Lines there; - for the output")
    parser.add_argument("--draw", metavar="DIR", type=Path, help="write annotated pictures there")
    parser.add_argument("--explain", metavar="DIR", type=Path, help="show which pixels decided")
    add_detection_arguments(parser)
    add_face_arguments(parser)
    parser.add_argument("--embeddings", action="store_true", help="write those of faces to --jsonl")
    parser.add_argument("--masks", metavar="DIR", type=Path, help="write masks of class ids there")
    parser.add_argument("--mesh", metavar="DIR", type=Path, help="write meshes of faces there")
    parser.add_argument("--mesh-format", choices=("glb", "obj", "ply"), help="glb by default")
    parser.add_argument("--tile", metavar="PIXELS", type=int, help="segment in tiles of that side")
    parser.add_argument(
        "--overlap", metavar="PIXELS", type=int, help="of tiles; an eighth of them by default"
    )
    parser.add_argument("--beam", metavar="N", type=int, help="search for the N best captions")
    parser.add_argument(
        "--every",
        metavar="SECONDS",
        type=parse_seconds,
        help="look at a video that often, as 2s",
    )
    parser.add_argument("--summary", action="store_true", help="caption a clip as a whole too")
    parser.add_argument("--runtime", help="torch, onnxruntime or openvino; default: the fastest")
    args = parser.parse_args(argv)
    if args.overlap is not None and args.tile is None:
        raise CommandError("--overlap is that of tiles; give --tile too")
    if args.mesh_format is not None and args.mesh is None:
        raise CommandError("--mesh-format is that of meshes; give --mesh DIR too")

    from visus.tasks.captioning.attention import draw_attention
    from visus.tasks.captioning.captions_tmp import ClipSummary, set_beams
    from visus.apps.drawing_tmp import draw_prediction
    from visus.apps.live.loop import print_summary, run_loop
    from visus.apps.live.sinks.files_tmp import JsonLinesWriter, PictureSink, Sink
    from visus.apps.live.sources.files_tmp import Frame, SpacedSource, open_source
    from visus.apps.inference.networks_tmp import usable_lanes
    from visus.apps.outputs import check_outputs
    from visus.apps.inference.runtimes_tmp import load_model
    from visus.vision.prediction import Prediction

    source = open_source(args.source, args.size, args.rate)
    check_outputs({"--jsonl": args.jsonl}, [*source.files, args.model, args.gallery])
    model = load_model(args.model, args.runtime, usable_lanes() if source.waits else 1)
    model = prepare_detection(args, model, source)
    prepare_faces(args, model, args.embeddings)
    captions_pictures = model.metadata.task == "captioning" and source.still
    draw: Callable[[Pixels, Any], Pixels] = draw_attention if captions_pictures else draw_prediction
    if args.beam is not None:
        set_beams(model, args.beam)
    if args.every is not None:
        if source.still:
            raise CommandError("--every is for videos; the source is pictures")
        source = SpacedSource(source, args.every)
    watchers: list[Callable[[Frame, Prediction], None]] = []
    if args.tile is not None:
        from visus.tasks.segmentation.tiling import TiledModel

        model = TiledModel(
            model, args.tile, args.tile // 8 if args.overlap is None else args.overlap
        )
    if args.masks:
        from visus.tasks.segmentation.mask_files import MaskFiles

        watchers.append(MaskFiles(args.masks))
    if args.mesh:
        from visus.tasks.face3d.mesh_files import MeshFiles

        watchers.append(MeshFiles(args.mesh, args.mesh_format or "glb"))
    sinks: list[Sink] = [PictureSink(args.draw, source.rate)] if args.draw else []
    if args.explain:
        from visus.tasks.classification.explain import ExplainSink

        sinks.append(ExplainSink(model, args.explain))

    summary = ClipSummary(model) if args.summary else None
    if summary is not None:
        watchers.append(summary.watch)
    if args.jsonl != "-":
        watchers.append(print_summary)
    jsonl = JsonLinesWriter(args.jsonl) if args.jsonl else None
    result = run_loop(model, source, sinks, jsonl, watchers, draw)
    told = summary.tell() if summary is not None else None
    if told is not None:
        name = without_secrets(args.source) if is_stream(args.source) else args.source
        print(f"{name} as a whole: {told.summary()}")
    return report_problems(result.frames, result.problems)


def parse_seconds(text: str) -> float:
    """A length of time such as `2s` or `0.5`.

    Raises:
        argparse.ArgumentTypeError: If it is none.
    """
    try:
        seconds = float(text.removesuffix("s"))
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise ArgumentTypeError(f"{text!r} is no length of time; write seconds, such as 2s")
    return seconds


def add_source_arguments(parser: CommandParser, nargs: str | None = None) -> None:
    """Where the frames come from; `nargs` is argparse's."""
    parser.add_argument(
        "source",
        nargs=nargs,
        help="a picture, a folder, a glob in quotes, a video, a camera's number, an address "
        "(rtsp:// or http://), or - for raw frames on the standard input",
    )
    parser.add_argument("--size", metavar="WxH", help="of raw frames: bytes in RGB order")
    parser.add_argument(
        "--rate", metavar="FPS", type=float, help="of raw frames; by default as they come"
    )


def add_detection_arguments(parser: CommandParser) -> None:
    """The arguments that only detectors understand."""
    parser.add_argument(
        "--threshold", type=float, metavar="SCORE", help="show objects from this score on, 0 to 1"
    )
    parser.add_argument(
        "--track", action="store_true", help="give each object of a video a number that stays"
    )


def prepare_detection(args: Namespace, model: "Model", source: "Source") -> "Model":
    """Set the threshold, and number objects if that is asked for.

    Raises:
        VisusError: If the model is no detector, or there is no video to track in.
    """
    from visus.apps.inference.runtimes_tmp import set_threshold

    if args.threshold is not None:
        set_threshold(model, args.threshold)
    if not args.track:
        return model
    if model.metadata.task != "detection":
        raise VisusError(f"--track is for detectors; {model.name!r} does no detection")
    if source.still:
        raise VisusError("--track follows objects through a video; the source is pictures")
    # Late: matching needs scipy, which nothing else in this command does.
    from visus.tasks.detection.tracked_model import TrackedModel

    return TrackedModel(model)


def add_face_arguments(parser: CommandParser) -> None:
    """The arguments that only face models understand."""
    parser.add_argument("--gallery", metavar="FILE", help="name faces by this gallery")
    parser.add_argument(
        "--min-face", type=int, metavar="PIXELS", help="the smallest face that is embedded"
    )


def prepare_faces(args: Namespace, model: "Model", embeddings: bool = False) -> None:
    """Open the gallery and set the smallest face, where asked for.

    Raises:
        VisusError: If the model is none of faces, or a value makes no sense.
    """
    if args.gallery is None and args.min_face is None and not embeddings:
        return
    from visus.tasks.face_recognition.loading_tmp import open_gallery
    from visus.tasks.face_recognition.pipeline import FaceModel

    if not isinstance(model, FaceModel):
        raise VisusError(
            f"--gallery, --min-face and --embeddings are for face models; {model.name!r} does "
            f"{model.metadata.task}"
        )
    if args.min_face is not None and args.min_face < 16:
        raise VisusError(f"--min-face {args.min_face} must be at least 16 pixels")
    if args.min_face is not None:
        model.set_option("min_face", args.min_face)
    model.set_option("tells_embeddings", embeddings)
    if args.gallery is not None:
        model.gallery = open_gallery(args.gallery, model)


def report_problems(frames: int, problems: list[str]) -> int:
    """Name what could not be read; returns the exit code."""
    for problem in problems:
        print(f"visus: {problem}", file=sys.stderr)
    if problems:
        print(f"visus: {frames} read, {len(problems)} problems", file=sys.stderr)
    return EXIT_INCOMPLETE if problems else 0
