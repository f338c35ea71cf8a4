"""visus export: write a model as a file for a runtime, or as a small checkpoint."""

import io
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING

from visus.apps.inference.backends import PRECISIONS
from visus.apps.parsing import CommandError, CommandParser
from visus.vision.errors import VisusError

if TYPE_CHECKING:
    from visus.apps.export import Exporter, ExportJob
    from visus.vision.model import Batch, Model


def main(argv: list[str]) -> int:
    """Export, then print the agreement with PyTorch and the latency of each runtime."""
    parser = CommandParser(
        "export",
        "Write a model as one ONNX file, as a program for phones, as a folder where it consists of "
        "several networks, or as a small checkpoint of weights alone.",
    )
    parser.add_argument("model", help="a checkpoint, a run folder, latest, or a name")
    parser.add_argument(
        "--output",
        metavar="FILE",
        type=Path,
        required=True,
        help="an .onnx, .pte or .ckpt file; a folder for a model of several networks",
    )
    parser.add_argument("--images", metavar="DIR", type=Path, help="compare on these images")
    parser.add_argument(
        "--precision",
        choices=PRECISIONS,
        default="fp32",
        help="precision of the file; bf16 where CPU and runtime support it, int8 by --calibration",
    )
    parser.add_argument(
        "--calibration",
        metavar="DIR",
        type=Path,
        help="representative images that set the ranges of int8; the first 200 are used",
    )
    parser.add_argument(
        "--data",
        metavar="PATH",
        nargs="?",
        const="",
        help="measure the model and the file on the test data of its training, or on those of PATH",
    )
    args = parser.parse_args(argv)
    if (args.precision == "int8") != (args.calibration is not None):
        raise CommandError("--precision int8 and --calibration DIR need each other")

    from visus.apps.export import ExportJob
    from visus.apps.inference.backends import computes_bfloat16, exported_suffixes
    from visus.apps.inference.loading import load_model
    from visus.apps.runs import BUNDLE, find_model, lasting_name
    from visus.tasks.torch_network import torch_task

    found = find_model(args.model)
    if isinstance(found, Path) and (
        found.suffix.lower() in exported_suffixes() or found.name == BUNDLE
    ):
        raise CommandError(f"model {args.model!r} is exported already")
    if isinstance(found, Path) and args.output.exists() and args.output.samefile(found):
        raise CommandError(f"--output {str(args.output)!r}: is the model itself; name another file")
    # `latest` may be another run later.
    name = lasting_name(args.model)
    model = load_model(name, "torch")
    task = torch_task(model, "export")
    exporter = _exporter(args.output, task.spec.is_pipeline)
    if args.precision not in exporter.precisions or (args.data is not None and not exporter.runs):
        raise CommandError(
            f"--precision and --data are not for {exporter.title}; leave them out, or export an "
            ".onnx file"
        )
    if args.images is not None and not exporter.runs:
        raise CommandError(f"--images is not for {exporter.title}; leave it out")
    if args.data is not None and not task.spec.export.testable:
        raise CommandError(
            f"--data: the files of {task.spec.title} predict otherwise than its test, by one image "
            "of a clip after the other or a simpler search; leave it out, and compare on --images"
        )
    calibration = [
        each[None]
        for path in _images("--calibration", args.calibration, model)[:200]
        for each in _inputs(model, path)
    ]
    if args.calibration is not None and not calibration:
        raise CommandError(
            f"--calibration {str(args.calibration)!r}: the model detects nothing in these images"
        )
    compared = _images("--images", args.images, model)[:100]
    # What cannot be read is an error before anything is written. Photographs take much more memory
    # than the inputs that are made from them.
    inputs = [_inputs(model, path) for path in compared]
    one_by_one = task.spec.export.exporter == "torchscript" or not exporter.batches
    before = {} if args.data is None else _metrics(name, args.data, one_by_one)
    job = ExportJob(name, task.cpu(), args.output, args.precision, calibration)
    exporter.write(job)
    _print_comparison(exporter, job, model, compared, inputs)
    if args.precision == "bf16" and not computes_bfloat16():
        print("this CPU or its runtime does not support bfloat16: measured in float32")
    if args.data is not None:
        after = _metrics(name, args.data, one_by_one, load_model(str(args.output)))
        _print_metrics(before, after, args.output.name)
    return 0


def _exporter(output: Path, is_pipeline: bool) -> "Exporter":
    """The exporter for an output.

    Args:
        output: A file or a folder.
        is_pipeline: Whether the model consists of several networks.

    Raises:
        CommandError: If there is none for its suffix, or it cannot hold such a model.
    """
    from visus.apps.export import EXPORTERS

    exporter = next((each for each in EXPORTERS if each.suffix == output.suffix.lower()), None)
    if exporter is None or (not exporter.suffix and not is_pipeline):
        known = ", ".join(each.suffix for each in EXPORTERS if each.suffix)
        raise CommandError(f"--output {str(output)!r}: the file's suffix must be one of {known}")
    if exporter.suffix and exporter.runs and is_pipeline:
        raise CommandError(
            f"--output {str(output)!r}: this model consists of several networks; name a folder"
        )
    if exporter.suffix and output.is_dir():
        raise CommandError(f"--output {str(output)!r}: is a folder; name a file")
    return exporter


def _print_comparison(
    exporter: "Exporter",
    job: "ExportJob",
    model: "Model",
    paths: list[Path],
    inputs: "list[Batch]",
) -> None:
    """Print how the written file compares with PyTorch."""
    from rich.table import Table

    from visus.apps.console import console
    from visus.apps.export.bundle import measure_bundle
    from visus.apps.export.parity import measure_parity
    from visus.apps.inference.backends import installed_runtimes
    from visus.apps.inference.exported import load_exported
    from visus.vision.wording import counted

    path = job.path
    if not exporter.suffix:
        for line in measure_bundle(model, path, paths):
            print(line)
        print(f"{path}: pip install -r requirements-edge.txt there, then python run.py --help")
        return
    size = path.stat().st_size / 1e6
    if not exporter.runs:
        kind = "in half precision" if job.task.spec.export.half_weights else "in float32"
        print(f"{path} ({size:.1f} MB): {exporter.title}, {kind}")
        return
    exported = [load_exported(path, runtime) for runtime in installed_runtimes(exporter.suffix)]
    table = Table("runtime", "largest difference", "same prediction", "latency ms")
    for parity in measure_parity(job.task, exported, inputs):
        table.add_row(
            parity.runtime,
            f"{parity.largest_difference:.2e}",
            f"{parity.agreement:.0%}",
            f"{parity.milliseconds:.2f}",
        )
    console().print(table)
    kind = counted(len(paths), "image") if paths else "16 procedural scenes"
    print(f"{path} ({size:.1f} MB), compared with torch in float32 on {kind}")


def _print_metrics(before: dict[str, float], after: dict[str, float], name: str) -> None:
    from rich.table import Table

    from visus.apps.console import console

    table = Table("metric", "torch", name)
    for key, value in sorted(before.items()):
        table.add_row(key, f"{value:.4f}", f"{after[key]:.4f}")
    console().print(table)


def _images(option: str, folder: Path | None, model: "Model") -> list[Path]:
    """The images in a folder; none where there is no folder."""
    from visus.vision.image_files import list_images

    if folder is None:
        return []
    # Beside photographs, arrays are something else, such as masks.
    images = list_images(folder, arrays=model.metadata.in_channels not in (1, 3))
    if not images:
        raise CommandError(f"{option} {str(folder)!r}: holds no images; check the path")
    return images


def _inputs(model: "Model", path: Path) -> "Batch":
    """The network's inputs for the image in a file."""
    from visus.vision.images import read_image

    try:
        return model.network_inputs(read_image(path))
    except VisusError as error:
        raise CommandError(f"{path}: {str(error).removeprefix(f'{path}: ')}") from None


def _metrics(
    model: str, root: str, one_by_one: bool, exported: "Model | None" = None
) -> dict[str, float]:
    """The metrics on the test data of a model, or of the file exported from it.

    Args:
        model: The model's name on the command line.
        root: The path of the data; empty for those of its training.
        one_by_one: Whether the exported file takes one image at a time.
        exported: The exported file.
    """
    from visus.apps.training.run import measure

    arguments = [model, "--trainer.devices", "1"]
    arguments += ["--data.batch_size", "1"] if one_by_one else []
    if root:
        arguments += ["--data", root]
    # They are printed once, in the table of both.
    with redirect_stdout(io.StringIO()):
        return measure(arguments, exported)
