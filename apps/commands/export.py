"""visus export: write a model as one ONNX file."""

from pathlib import Path
from typing import TYPE_CHECKING

from apps.cli import CommandError, CommandParser

if TYPE_CHECKING:
    from apps.faces.face3d import Face3DModel
    from apps.faces.model import FaceModel


def main(argv: list[str]) -> int:
    """Export, then print how well the file agrees with PyTorch and how fast each runtime is."""
    parser = CommandParser(
        "export", "Write a model as one ONNX file, or as a small checkpoint of weights alone."
    )
    parser.add_argument("model", help="a checkpoint, a run folder, latest, or a name")
    parser.add_argument(
        "--output",
        metavar="FILE",
        type=Path,
        required=True,
        help="an .onnx, of a face model a folder; or a .ckpt",
    )
    parser.add_argument("--pictures", metavar="DIR", type=Path, help="compare on these pictures")
    args = parser.parse_args(argv)
    if args.output.suffix == ".ckpt":
        return _slim(args.model, args.output)

    from rich.table import Table

    from apps.console import console
    from apps.export import export_onnx, measure_parity
    from apps.faces.face3d import Face3DModel
    from apps.faces.model import FaceModel
    from apps.runtimes import TorchModel, load_model
    from vision.images import list_images

    model = load_model(args.model, "torch")
    if isinstance(model, FaceModel | Face3DModel):
        return _export_faces(model, args.output)
    if args.output.suffix != ".onnx":
        raise CommandError(
            f"--output {str(args.output)!r}: the file's ending must be .onnx or .ckpt"
        )
    if not isinstance(model, TorchModel):
        raise CommandError(f"model {args.model!r} is exported already")
    task = model.task.cpu()
    export_onnx(task, args.output)
    pictures = list_images(args.pictures)[:100] if args.pictures else []
    if args.pictures and not pictures:
        raise CommandError(f"--pictures {str(args.pictures)!r}: holds no picture; check the path")
    table = Table("runtime", "largest difference", "same answer", "ms a picture")
    for parity in measure_parity(task, args.output, pictures):
        table.add_row(
            parity.runtime,
            f"{parity.largest_difference:.2e}",
            f"{parity.agreement:.0%}",
            f"{parity.milliseconds:.2f}",
        )
    console().print(table)
    kind = f"{len(pictures)} pictures" if pictures else "16 procedural scenes"
    size = args.output.stat().st_size / 1e6
    print(f"{args.output} ({size:.1f} MB), compared with torch in float32 on {kind}")
    return 0


def _slim(model: str, output: Path) -> int:
    from apps.runs import find_checkpoint
    from apps.slim import write_slim_checkpoint

    source = find_checkpoint(model)
    if output.exists() and output.samefile(source):
        raise CommandError(f"--output {str(output)!r}: is the model itself; name another file")
    write_slim_checkpoint(source, output)
    before, after = (path.stat().st_size / 1e6 for path in (source, output))
    print(f"{output} ({after:.1f} MB of {before:.1f}): weights alone, in half precision")
    return 0


def _export_faces(model: "FaceModel | Face3DModel", folder: Path) -> int:
    from apps.faces.export import export_bundle, measure_bundle
    from apps.runtimes import TorchModel

    network = model.network
    if not isinstance(network, TorchModel):
        raise CommandError(f"model {model.name!r} is exported already")
    if folder.suffix == ".onnx":
        raise CommandError(
            f"--output {str(folder)!r}: a model of faces is a folder of four networks; name a "
            "folder"
        )
    export_bundle(network.task.cpu(), folder)
    for line in measure_bundle(model, folder):
        print(line)
    print(f"{folder}: pip install -r requirements-edge.txt there, then python run.py --help")
    return 0
