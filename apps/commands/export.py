"""visus export: write a model as one file, for any machine or for a phone."""

import io
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING

from visus.apps.cli import CommandError, CommandParser
from visus.apps.inference.networks_tmp import PRECISIONS, computes_bfloat16

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from visus.tasks.face3d.pipeline import Face3DModel
    from visus.tasks.face_recognition.pipeline import FaceModel
    from visus.apps.inference.runtimes_tmp import Model
    from visus.tasks.base import VisionTask
    from visus.vision.images import Pixels


def main(argv: list[str]) -> int:
    """Export, then print how well the file agrees with PyTorch and how fast each runtime is."""
    parser = CommandParser(
        "export",
        "Write a model as one ONNX file, as a program for phones, or as a small checkpoint of "
        "weights alone.",
    )
    parser.add_argument("model", help="a checkpoint, a run folder, latest, or a name")
    parser.add_argument(
        "--output",
        metavar="FILE",
        type=Path,
        required=True,
        help="an .onnx, of a face model a folder; or a .pte, or a .ckpt",
    )
    parser.add_argument("--pictures", metavar="DIR", type=Path, help="compare on these pictures")
    parser.add_argument(
        "--precision",
        choices=PRECISIONS,
        default="fp32",
        help="what the file computes in; bf16 where CPU and runtime can, int8 by --calibration",
    )
    parser.add_argument(
        "--calibration",
        metavar="DIR",
        type=Path,
        help="pictures of the kind that the int8 file will see; the first 200 are used",
    )
    parser.add_argument(
        "--data",
        metavar="ROOT",
        nargs="?",
        const="",
        help="measure the model and the file on the test data: those of its training, or of ROOT",
    )
    args = parser.parse_args(argv)
    if (args.precision == "int8") != (args.calibration is not None):
        raise CommandError("--precision int8 and --calibration DIR need each other")
    if args.output.suffix in {".ckpt", ".pte"} and (
        args.precision != "fp32" or args.data is not None
    ):
        raise CommandError(
            f"--precision and --data are for .onnx files, not for {args.output.suffix}"
        )
    if args.output.suffix in {".onnx", ".ckpt", ".pte"} and args.output.is_dir():
        raise CommandError(f"--output {str(args.output)!r}: is a folder; name a file")
    if args.output.suffix == ".ckpt":
        return _slim(args.model, args.output)

    from rich.table import Table

    from visus.apps.console import console
    from visus.tasks.face3d.pipeline import Face3DModel
    from visus.tasks.face_recognition.pipeline import FaceModel
    from visus.apps.runs import BUNDLE, find_model
    from visus.apps.inference.runtimes_tmp import TorchModel, load_model
    from visus.vision.images import read_image

    found = find_model(args.model)
    if isinstance(found, Path) and (found.suffix == ".onnx" or found.name == BUNDLE):
        raise CommandError(f"model {args.model!r} is exported already")
    model = load_model(args.model, "torch")
    if isinstance(model, FaceModel | Face3DModel):
        if args.output.suffix in {".onnx", ".pte"}:
            raise CommandError(
                f"--output {str(args.output)!r}: a model of faces is a folder of four networks; "
                "name a folder"
            )
    elif args.output.suffix not in {".onnx", ".pte"}:
        raise CommandError(
            f"--output {str(args.output)!r}: the file's ending must be .onnx, .pte or .ckpt"
        )
    calibration = [
        each[None]
        for path in _pictures("--calibration", args.calibration)[:200]
        for each in model.inputs(read_image(path))
    ]
    if args.calibration is not None and not calibration:
        raise CommandError(f"--calibration {str(args.calibration)!r}: none of it shows a face")
    pictures = [read_image(path) for path in _pictures("--pictures", args.pictures)[:100]]
    alone = model.metadata.task == "detection"
    before = {} if args.data is None else _figures(args.model, args.data, alone)
    if isinstance(model, FaceModel | Face3DModel):
        _export_faces(model, args.output, args.precision, calibration)
    else:
        assert isinstance(model, TorchModel)
        _export_file(model.task.cpu(), args.output, args.precision, calibration, pictures)
    if args.precision == "bf16" and not computes_bfloat16():
        print("this CPU or its runtime has no bfloat16: it was measured in float32")
    if args.data is not None:
        after = _figures(args.model, args.data, alone, load_model(str(args.output)))
        table = Table("figure", "torch", args.output.name)
        for name, value in sorted(before.items()):
            table.add_row(name, f"{value:.4f}", f"{after[name]:.4f}")
        console().print(table)
    return 0


def _export_file(
    task: "VisionTask",
    path: Path,
    precision: str,
    calibration: "list[NDArray[np.uint8]]",
    pictures: "list[Pixels]",
) -> None:
    """Write the file, and print how it compares with PyTorch."""
    from rich.table import Table

    from visus.apps.console import console
    from visus.apps.export.onnx_file import measure_parity

    exported = _write(task, path, precision, calibration)
    table = Table("runtime", "largest difference", "same answer", "ms a picture")
    for parity in measure_parity(task, exported, pictures):
        table.add_row(
            parity.runtime,
            f"{parity.largest_difference:.2e}",
            f"{parity.agreement:.0%}",
            f"{parity.milliseconds:.2f}",
        )
    console().print(table)
    kind = f"{len(pictures)} pictures" if pictures else "16 procedural scenes"
    size = path.stat().st_size / 1e6
    print(f"{path} ({size:.1f} MB), compared with torch in float32 on {kind}")


def _write(
    task: "VisionTask", path: Path, precision: str, calibration: "list[NDArray[np.uint8]]"
) -> "Sequence[Model]":
    """Write the file; returns it as it runs in each runtime."""
    from visus.apps.inference.networks_tmp import installed_runtimes
    from visus.apps.export.quantisation import write_network
    from visus.apps.inference.runtimes_tmp import ExportedModel

    if path.suffix == ".pte":
        from visus.apps.export.executorch_file import MobileModel, export_program

        export_program(task, path)
        return [MobileModel(path)]
    write_network(task, path, precision, calibration)
    return [ExportedModel(path, runtime) for runtime in installed_runtimes()]


def _pictures(option: str, folder: Path | None) -> list[Path]:
    """The pictures in a folder; none where there is no folder."""
    from visus.vision.images import list_images

    if folder is None:
        return []
    pictures = list_images(folder)
    if not pictures:
        raise CommandError(f"{option} {str(folder)!r}: holds no picture; check the path")
    return pictures


def _figures(
    model: str, root: str, alone: bool, exported: "Model | None" = None
) -> dict[str, float]:
    """The figures of the test data for a model, or for what was exported from it.

    Args:
        model: What the user named.
        root: Where the data are; empty for those of its training.
        alone: Whether it takes one picture at a time.
        exported: What was exported from it.
    """
    from visus.apps.training.run import measure

    arguments = [model, *(("--data.batch_size", "1") if alone else ())]
    if root:
        arguments += ["--data.root", root]
    # The run tells them in full; the table of both says them once.
    with redirect_stdout(io.StringIO()):
        return measure(arguments, exported)


def _slim(model: str, output: Path) -> int:
    from visus.apps.runs import find_checkpoint
    from visus.apps.export.checkpoint_file import write_slim_checkpoint

    source = find_checkpoint(model)
    if output.exists() and output.samefile(source):
        raise CommandError(f"--output {str(output)!r}: is the model itself; name another file")
    write_slim_checkpoint(source, output)
    before, after = (path.stat().st_size / 1e6 for path in (source, output))
    print(f"{output} ({after:.1f} MB of {before:.1f}): weights alone, in half precision")
    return 0


def _export_faces(
    model: "FaceModel | Face3DModel",
    folder: Path,
    precision: str,
    calibration: "list[NDArray[np.uint8]]",
) -> None:
    """Write the folder, and print how it compares with PyTorch."""
    from visus.apps.export.bundle import export_bundle, measure_bundle
    from visus.apps.inference.runtimes_tmp import TorchModel

    assert isinstance(model.network, TorchModel)
    export_bundle(model.network.task.cpu(), folder, precision, calibration)
    for line in measure_bundle(model, folder):
        print(line)
    print(f"{folder}: pip install -r requirements-edge.txt there, then python run.py --help")
