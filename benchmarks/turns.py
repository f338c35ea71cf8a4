"""Measure several calls in turn, so that other load on the machine affects all alike."""

import statistics
import time
from collections.abc import Callable, Mapping

import torch

from visus.tasks.base import VisionTask
from visus.vision.resize import to_planes
from visus.vision.scenes import make_scene

ROUNDS = 5
IMAGES = 10


def print_milliseconds(tasks: Mapping[str, VisionTask], size: tuple[int, int]) -> None:
    """Print the median latency of each task, and its ratio to the first.

    Args:
        tasks: By name, in evaluation mode.
        size: (height, width) of the images in pixels.
    """
    scenes = [make_scene(seed, size, (3, 8)).image for seed in range(IMAGES)]
    images = [torch.from_numpy(to_planes(s)[None]) for s in scenes]
    calls = {name: _run_all(task, images) for name, task in tasks.items()}
    times: dict[str, list[float]] = {name: [] for name in tasks}
    with torch.inference_mode():
        for _ in range(ROUNDS):
            for name, call in calls.items():
                tasks[name](images[0])
                start = time.perf_counter()
                call()
                times[name].append((time.perf_counter() - start) / IMAGES * 1000)
    height, width = size
    print(f"{width} x {height}, one image at a time, torch float32, medians of {ROUNDS} rounds")
    base = statistics.median(next(iter(times.values())))
    for name, measured in times.items():
        median = statistics.median(measured)
        print(f"{name:<28} {median:7.1f} ms  {median / base:.2f}")


def in_turn(calls: Mapping[str, Callable[[], object]], repeats: int = IMAGES) -> dict[str, float]:
    """The median seconds of each call, over rounds that run all of them.

    Args:
        calls: By name.
        repeats: Calls per round, after one to warm up.
    """
    times: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(ROUNDS):
        for name, call in calls.items():
            call()
            start = time.perf_counter()
            for _ in range(repeats):
                call()
            times[name].append((time.perf_counter() - start) / repeats)
    return {name: statistics.median(measured) for name, measured in times.items()}


def _run_all(task: VisionTask, images: list[torch.Tensor]) -> Callable[[], object]:
    return lambda: [task(image) for image in images]
