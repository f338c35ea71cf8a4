"""The arguments of `visus faces`; `actions` runs what they name."""

from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from functools import partial
from pathlib import Path

from visus.tasks.commands import Services, TaskAction, TaskCommand
from visus.vision.durations import parse_seconds


def _add_gallery(parser: ArgumentParser, required: bool = True) -> None:
    parser.add_argument("--gallery", required=required, help="a file, or qdrant://HOST:PORT/NAME")


def _add_model_arguments(parser: ArgumentParser, gallery_required: bool = True) -> None:
    _add_gallery(parser, gallery_required)
    parser.add_argument("--model", default="faces", help="a model of face recognition")
    parser.add_argument("--runtime", help="torch, onnxruntime or openvino")


def _add_threshold(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--threshold",
        metavar="SIMILARITY",
        type=float,
        help="least similarity of one person's faces, -1 to 1; by default that of the gallery",
    )


def _add_enroll(parser: ArgumentParser) -> None:
    parser.add_argument("images", nargs="*", type=Path, help="images of this person alone")
    parser.add_argument("--name", help="name of the person")
    parser.add_argument(
        "--from",
        dest="people",
        metavar="PEOPLE_DIR",
        type=Path,
        help="many people at once: a folder with a folder for each, which has the person's name",
    )
    parser.add_argument("--consent", required=True, help="how and when they agreed; is stored")
    parser.add_argument("--camera", help="a camera's number or a video, instead of images")
    parser.add_argument("--add", action="store_true", help="add faces to an enrolled person")
    parser.add_argument(
        "--keep-crops", action="store_true", help="store the aligned faces, for reembed"
    )
    _add_model_arguments(parser)


def _add_identify(parser: ArgumentParser) -> None:
    parser.add_argument("source", help="an image, a folder, a video, a camera's number")
    parser.add_argument("--jsonl", metavar="FILE", help="write JSON Lines; - for the output")
    parser.add_argument("--draw", metavar="DIR", type=Path, help="write annotated images there")
    _add_threshold(parser)
    _add_model_arguments(parser)


def _add_verify(parser: ArgumentParser) -> None:
    parser.add_argument("images", nargs="*", type=Path, help="two images, or one with --name")
    parser.add_argument("--name", help="compare with this person of the gallery")
    parser.add_argument("--camera", help="a camera's number or a video, with --name")
    parser.add_argument(
        "--timeout",
        metavar="DURATION",
        type=parse_seconds,
        default=10.0,
        help="how long to wait for a match, 10s by default",
    )
    _add_threshold(parser)
    _add_model_arguments(parser, gallery_required=False)


def _add_forget(parser: ArgumentParser) -> None:
    parser.add_argument("name", help="name of the person")
    _add_gallery(parser)


def _add_calibrate(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--pairs", required=True, type=Path, help="a file of pairs in the format of LFW's pairs.txt"
    )
    parser.add_argument(
        "--images", required=True, type=Path, help="a folder with a folder for each person"
    )
    parser.add_argument(
        "--far", type=float, default=1e-3, help="false-accept rate, 0 to 1; 0.001 by default"
    )
    _add_model_arguments(parser)


def _run(name: str, args: Namespace, services: Services) -> int:
    # The imports of the actions are slow; help texts and wrong arguments need none of them.
    from visus.tasks.face_recognition.actions import ACTIONS

    return ACTIONS[name](args, services)


def _action(name: str, help: str, add_arguments: Callable[[ArgumentParser], None]) -> TaskAction:
    return TaskAction(name, help, add_arguments, partial(_run, name))


FACES = TaskCommand(
    "faces",
    "enrol, identify, verify and forget people",
    (
        _action("enroll", "Store faces of a person in a gallery.", _add_enroll),
        _action("identify", "Name the faces of images, a video or a camera.", _add_identify),
        _action("verify", "Compare two faces; exit code 0 for one person, else 1.", _add_verify),
        _action("forget", "Delete a person and all their faces.", _add_forget),
        _action("list", "List the people of a gallery.", _add_gallery),
        _action("reembed", "Embed the stored faces with another model.", _add_model_arguments),
        _action("calibrate", "Choose the threshold of a gallery.", _add_calibrate),
    ),
)
"""The command `visus faces`."""
