"""Train the same task on several backbones, and compare accuracy, size and speed."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from visus.apps.parsing import did_you_mean
from visus.vision.errors import VisusError
from visus.vision.output_files import replacing, write_text

if TYPE_CHECKING:
    from visus.tasks.base import VisionTask


@dataclass(frozen=True)
class BackboneResult:
    """One backbone after its training.

    Attributes:
        backbone: Its name.
        pretrained: Whether it started from ImageNet weights.
        metric: Name of the metric that the task maximises, such as `val/accuracy`.
        value: Its value in the best validation.
        parameters: Parameters of the whole network.
        multiply_adds: Multiplications with addition for one image.
        latency: Median milliseconds from an image to its prediction.
        runtime: The runtime of that latency.
        run: The run folder.
    """

    backbone: str
    pretrained: bool
    metric: str
    value: float
    parameters: int
    multiply_adds: int
    latency: float
    runtime: str
    run: str


def check_backbones(backbones: Sequence[str]) -> None:
    """Refuse unknown names, before any training.

    Raises:
        VisusError: If there is no such backbone.
    """
    from visus.models.backbones import list_backbones

    for name in backbones:
        if not list_backbones(name):
            near = did_you_mean(name, list_backbones())
            raise VisusError(f"backbone {name!r} is unknown{near}; visus backbones lists them")


def compare_backbones(
    backbones: Sequence[str], arguments: Sequence[str], folder: Path
) -> list[BackboneResult]:
    """Train and measure backbones one after the other, and write what is known after each.

    Each starts from ImageNet weights where these are installed, otherwise from random ones.

    Args:
        backbones: Names from the registry.
        arguments: Of `visus fit` for all of them, such as `--data photos --budget 5m`.
        folder: See `write_comparison`.

    Raises:
        VisusError: If one cannot be trained.
    """
    from visus.apps.training.run import train
    from visus.models.weights_manifest import IMAGENET

    installed = {entry.network for entry in IMAGENET if entry.find()}
    results = []
    for name in backbones:
        own = ["--model.backbone", name, "--model.backbone_options", "null"]
        own += ["--model.pretrained", str(name in installed).lower()]
        run = train([*arguments, *own])
        results.append(_measure(name, name in installed, run))
        # A later backbone that cannot be trained loses nothing.
        write_comparison(results, folder)
    return results


def _measure(backbone: str, pretrained: bool, folder: Path) -> BackboneResult:
    """Metric, size and speed of a trained model."""
    from visus.apps.inference.benchmark import export_for_benchmark, measure_runtime
    from visus.apps.inference.loading import load_model
    from visus.apps.runs import checkpoint_in
    from visus.tasks.torch_network import torch_task
    from visus.vision.cores import usable_cores

    checkpoint = checkpoint_in(folder)
    model = load_model(str(checkpoint))
    task = torch_task(model, "compare").cpu()
    metric = task.monitor[0]
    metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))["metrics"]
    if metrics.get(metric) is None:
        raise VisusError(
            f"{folder}: the validation data have no {metric}, by which backbones are compared; "
            "give other --data"
        )
    with TemporaryDirectory() as exported:
        path = export_for_benchmark(model, Path(exported))
        speed = measure_runtime(str(path), load_model(str(path)).runtime, usable_cores())
    parameters = sum(p.numel() for p in task.network.parameters())
    return BackboneResult(
        backbone=backbone,
        pretrained=pretrained,
        metric=metric,
        value=float(metrics[metric]),
        parameters=parameters,
        multiply_adds=_multiply_adds(task),
        latency=speed.median,
        runtime=speed.runtime,
        run=str(folder),
    )


def _multiply_adds(task: "VisionTask") -> int:
    from visus.models.backbones.summary import summarise

    layers = summarise(task.network, (task.in_channels, *task.image_size))
    return sum(layer.multiply_adds for layer in layers)


def write_comparison(results: Sequence[BackboneResult], folder: Path) -> None:
    """Write `comparison.json`, and `comparison.png` with accuracy over latency."""
    content = json.dumps([asdict(result) for result in results], indent=2) + "\n"
    write_text(folder / "comparison.json", content)
    # Imported late: it takes a second.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import LogLocator

    page = Figure(figsize=(6, 4.5), dpi=100, layout="constrained")
    axes = page.add_subplot()
    sizes = [30 + 20 * result.parameters / 1e6 for result in results]
    latencies = [result.latency for result in results]
    axes.scatter(latencies, [result.value for result in results], sizes, alpha=0.7)
    for result in results:
        place = (result.latency, result.value)
        axes.annotate(result.backbone, place, (6, 4), textcoords="offset points", fontsize=9)
    if max(latencies) > 4 * min(latencies):
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_major_formatter("{x:g}")
        axes.xaxis.set_minor_formatter("")
    axes.margins(0.2)
    axes.set_xlabel(f"latency in ms ({results[0].runtime}); area: parameters")
    axes.set_ylabel(results[0].metric)
    axes.grid(alpha=0.3, which="both")
    with replacing(folder / "comparison.png") as part:
        FigureCanvasAgg(page)
        page.savefig(part, format="png")
