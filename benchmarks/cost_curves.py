"""What images, classes, boxes, image sizes and galleries cost, on one core and on all.

python benchmarks/cost_curves.py

Each core count is measured in processes of their own, bound to so many cores. Training and
evaluation are those of EfficientNet-Lite0 on images in memory; prediction and serving those of its
exported file on JPEG files of 640 x 480.
"""

import argparse
import http.client
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from visus.vision.cores import usable_cores

_SECONDS = 6.0
_CLIENTS = 8


def main() -> None:
    """Print a line for each quantity and each value of it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--here", choices=list(_MEASURES), help="measure one, in this process")
    args = parser.parse_args()
    if args.here:
        _MEASURES[args.here]()
        return
    cores = sorted(os.sched_getaffinity(0))
    for name in _MEASURES:
        for count in sorted({1, len(cores)}):
            chosen = ",".join(map(str, cores[:count]))
            environment = {**os.environ, "OMP_NUM_THREADS": str(count)}
            command = ["taskset", "-c", chosen, sys.executable, __file__, "--here", name]
            subprocess.run(command, env=environment, check=True)


def report(what: str, rate: float, unit: str) -> None:
    """Print a figure with the number of cores."""
    print(f"{usable_cores()} cores, {what}: {rate:,.1f} {unit}", flush=True)


def rate_of(call: Callable[[], object], items: int) -> float:
    """Items a second of repeated calls, after one that is not counted."""
    call()
    calls, start = 0, time.perf_counter()
    while time.perf_counter() - start < _SECONDS:
        call()
        calls += 1
    return items * calls / (time.perf_counter() - start)


def measure_training() -> None:
    """Training and evaluation by image size and by number of classes."""
    from gpu_speed import RandomData, trainer_rate

    from visus.apps.training.run import silence_libraries
    from visus.datamodules.core.loading import make_loader
    from visus.tasks.classification.data_info import ClassificationInfo
    from visus.tasks.classification.task import ClassificationTask
    from visus.tasks.data_info import info_from_data

    silence_libraries()
    for size, classes in ((128, 10), (224, 10), (320, 10), (224, 1000)):
        data = RandomData(16 * 12, size, 16)
        data.class_names = tuple(f"class {i}" for i in range(classes))
        info = info_from_data(ClassificationInfo, data)
        task = ClassificationTask(info, backbone="tf_efficientnet_lite0")
        what = f"lite0, {size} px, {classes} classes"
        report(f"training, {what}", trainer_rate(task, data, "cpu", "32-true"), "images/s")
        task.trainer = None
        loader = make_loader(data.dataset("val"), 16, 0)
        task.eval()
        start = time.perf_counter()
        task.compute_metrics(task.measure(loader, "val"), "val")
        rate = len(data.arrays) / (time.perf_counter() - start)
        report(f"evaluation, {what}", rate, "images/s")


def measure_boxes() -> None:
    """Figures of detection by the number of boxes of an image."""
    from visus.tasks.detection.metrics import DetectionMetrics
    from visus.tasks.detection.prediction import DetectionPrediction
    from visus.vision.truth import DetectionTruth

    rng = np.random.default_rng(0)
    for boxes in (8, 64):
        metrics = DetectionMetrics(tuple("abcdefgh"))
        for i in range(500):
            corners = rng.uniform(0, 500, (boxes, 2))
            truth = np.hstack([corners, corners + rng.uniform(16, 120, (boxes, 2))])
            found = (truth + rng.normal(0, 3, truth.shape)).clip(0, 639)
            ids = rng.integers(0, 8, boxes)
            scores = np.sort(rng.uniform(0, 1, boxes))[::-1].astype(np.float32)
            prediction = DetectionPrediction(
                size=(640, 640),
                class_names=tuple("abcdefgh"),
                boxes=found.astype(np.float32),
                class_ids=ids,
                scores=scores,
            )
            areas = (truth[:, 2:] - truth[:, :2]).prod(1).astype(np.float32)
            ignored = np.zeros(boxes, bool)
            metrics.add(
                str(i), prediction, DetectionTruth(truth.astype(np.float32), ids, ignored, areas)
            )
        start = time.perf_counter()
        metrics.compute()
        report(
            f"figures of detection, {boxes} boxes an image",
            500 / (time.perf_counter() - start),
            "images/s",
        )


def measure_prediction() -> None:
    """Prediction of a folder by image size, and serving."""
    from visus.apps.cli import main as visus
    from visus.apps.export.onnx_file import export_onnx
    from visus.apps.inference.loading import load_model
    from visus.apps.live.serve.server import PageServer
    from visus.tasks.options import Session
    from visus.tasks.torch_network import torch_task
    from visus.vision.output_files import write_image
    from visus.vision.scenes import make_scene

    with TemporaryDirectory() as name:
        folder = Path(name)
        for i in range(200):
            write_image(folder / "images" / f"{i}.jpg", make_scene(i % 20, (480, 640)).image)
        task = torch_task(load_model("imagenet"), "export").cpu()
        for size in (128, 224, 320):
            task.image_size = (size, size)
            model = folder / f"lite0-{size}.onnx"
            export_onnx(task, model)
            words = ["predict", str(model), str(folder / "images"), "--jsonl", str(folder / "x")]
            loaded = rate_of(lambda words=words: visus(words), 200)  # type: ignore[misc]
            report(f"prediction, lite0, {size} px, loading included", loaded, "images/s")
        sessions = {"lite0": Session(load_model(str(folder / "lite0-224.onnx")))}
        server = PageServer("0", sessions, moving=False)
        data = (folder / "images" / "0.jpg").read_bytes()
        answered = [0] * _CLIENTS
        end = time.perf_counter() + _SECONDS

        def ask(client: int) -> None:
            host = server.url.split("/")[2]
            connection = http.client.HTTPConnection(host, timeout=30)
            while time.perf_counter() < end:
                connection.request("POST", "/predict", data)
                connection.getresponse().read()
                answered[client] += 1

        clients = [threading.Thread(target=ask, args=(i,)) for i in range(_CLIENTS)]
        for client in clients:
            client.start()
        for client in clients:
            client.join()
        server.close()
        what = f"serving, lite0, 224 px, {_CLIENTS} clients on the same cores"
        report(what, sum(answered) / _SECONDS, "images/s")


def measure_galleries() -> None:
    """The search for a face by the size of the gallery."""
    from visus.tasks.face_recognition.similarity_search import SimilarityIndex

    rng = np.random.default_rng(0)
    for people in (10_000, 100_000, 1_000_000):
        rows = rng.normal(size=(people, 128)).astype(np.float32)
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        index = SimilarityIndex(rows)
        query = rows[0].copy()
        del rows
        rate = rate_of(lambda index=index, query=query: index.nearest(query), 1)  # type: ignore[misc]
        report(f"search among {people:,} faces", rate, "faces/s")


_MEASURES = {
    "training": measure_training,
    "boxes": measure_boxes,
    "prediction": measure_prediction,
    "galleries": measure_galleries,
}

if __name__ == "__main__":
    main()
