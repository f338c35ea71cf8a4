"""visus faces: enrol, identify, verify and forget people."""

from pathlib import Path

from visus.apps.cli import ActionParser, CommandError, CommandParser


def main(argv: list[str]) -> int:
    """Run one action on a gallery."""
    args = _parser().parse_args(argv)
    if args.action in ("enroll", "verify") and (args.camera is None) == (not args.images):
        raise CommandError("give images, or --camera with a camera's number or a video")
    from visus.tasks.face_recognition.commands import ACTIONS

    return ACTIONS[args.action](args)


def _parser() -> CommandParser:
    parser = CommandParser("faces", "Enrol, identify, verify and forget people.")
    commands = parser.add_subparsers(dest="action", required=True, parser_class=ActionParser)

    enroll = commands.add_parser("enroll")
    enroll.add_argument("images", nargs="*", type=Path, help="of this person alone")
    enroll.add_argument("--name", required=True, help="who it is")
    enroll.add_argument("--consent", required=True, help="how and when they agreed; kept")
    enroll.add_argument("--camera", help="a camera's number or a video, instead of images")
    enroll.add_argument("--add", action="store_true", help="more faces of somebody enrolled")
    enroll.add_argument("--keep-crops", action="store_true", help="keep faces to embed them anew")

    identify = commands.add_parser("identify")
    identify.add_argument("source", help="an image, a folder, a video, a camera's number")
    identify.add_argument("--jsonl", metavar="FILE", help="write JSON Lines; - for the output")
    identify.add_argument("--draw", metavar="DIR", type=Path, help="write annotated images")

    verify = commands.add_parser("verify")
    verify.add_argument("images", nargs="*", type=Path, help="two, or with --name one")
    verify.add_argument("--name", help="compare with this person of the gallery")
    verify.add_argument("--camera", help="a camera's number or a video; with --name")
    verify.add_argument("--timeout", type=float, default=10.0, help="seconds to wait for a match")

    forget = commands.add_parser("forget")
    forget.add_argument("name")

    commands.add_parser("list")
    commands.add_parser("reembed")

    calibrate = commands.add_parser("calibrate")
    calibrate.add_argument("--pairs", required=True, type=Path, help="pairs as LFW's pairs.txt")
    calibrate.add_argument("--images", required=True, type=Path, help="a folder a person")
    calibrate.add_argument("--far", type=float, default=1e-3, help="false accepts allowed, a share")

    for name, command in commands.choices.items():
        command.add_argument(
            "--gallery", required=name != "verify", help="a file, or qdrant://HOST:PORT/NAME"
        )
        command.add_argument("--model", default="faces", help="a face model")
        command.add_argument("--runtime", help="torch, onnxruntime or openvino")
    return parser
