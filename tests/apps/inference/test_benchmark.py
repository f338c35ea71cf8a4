"""visus benchmark: latency, throughput, memory and cold start of each runtime."""

import os
import runpy
import sys

import pytest

from visus.apps.inference import benchmark
from visus.vision.cores import usable_cores


def test_every_runtime_is_measured_on_one_core_and_on_all(visus, photos, model):
    code, out, err = visus("benchmark", model[1], photos, "--duration", "0.1s")
    assert code == 0, err
    rows = [line.split("│")[1:-1] for line in out.splitlines() if line.startswith("│")]
    measured = {(row[0].strip(), int(row[2])): row for row in rows}
    for cores in {1, usable_cores()}:
        torch, onnx = (
            [float(cell) for cell in measured[runtime, cores][3:8]]
            for runtime in ("torch", "onnxruntime")
        )
        # An exported file needs no torch: less memory, and a faster cold start.
        assert onnx[3] < 0.7 * torch[3] and onnx[4] < torch[4]
        for median, p95, rate, memory, _ in (torch, onnx):
            assert 0 < median <= p95 and memory > 20
            # Half of the images take the median, rounded here, or longer.
            assert 0 < rate <= 2000 / (median - 0.05)
    assert [row[0].strip() for row in rows if "visus live" in row[-1]] == ["torch"]


def test_errors_come_before_any_measurement(visus, model):
    code, _, err = visus("benchmark", model[0], "nothing.mp4", "--duration", "0.1s")
    assert code == 2 and "there is no such file" in err
    assert visus("benchmark", "nothing")[0] == 2
    # Before anything is exported or loaded for long.
    code, _, err = visus("benchmark", "imagenet", "nothing.mp4")
    assert code == 2 and "imagenet in" not in err and "there is no such file" in err


SPEED = "Speed: 3.0ms preprocess, 76.8ms inference, 1.7ms postprocess per image"


@pytest.fixture
def yolo(workplace, monkeypatch):
    """Put a program `yolo` on the PATH that stores its arguments, and prints and returns these."""

    def install(printed: str, code: int = 0):
        program = workplace / "programs" / "yolo"
        program.parent.mkdir(exist_ok=True)
        kept = workplace / "yolo.txt"
        lines = ("#!/bin/sh", f'echo "$@" > {kept}', f"ls images >> {kept}", f'echo "{printed}"')
        program.write_text("\n".join([*lines, f"exit {code}"]))
        program.chmod(0o755)
        monkeypatch.setenv("PATH", str(program.parent), prepend=os.pathsep)
        return kept

    return install


def test_the_program_yolo_is_timed_on_the_same_images(visus, photos, model, yolo):
    kept = yolo(SPEED)
    arguments = ("benchmark", model[0], photos, "--duration", "0.1s", "--peer")
    code, out, err = visus(*arguments, "yolo26n.pt")
    assert code == 0, err
    count = len(list(photos.rglob("*.png")))
    assert f"yolo predict model=yolo26n.pt: 81.5 ms, mean of {count} images" in out
    command, *images = kept.read_text().splitlines()
    assert command.startswith("predict model=yolo26n.pt source=images")
    assert len(images) == count
    yolo("no such model", code=1)
    code, _, err = visus(*arguments, "nothing.pt")
    assert code == 2 and "--peer nothing.pt" in err and "no such model" in err


def test_a_missing_program_yolo_is_reported_before_any_measurement(visus, model, monkeypatch):
    monkeypatch.setenv("PATH", "")
    code, out, err = visus("benchmark", model[0], "--peer", "yolo26n.pt")
    assert code == 2 and "no yolo on the PATH" in err and not out


def test_it_is_imported_where_the_standard_library_lacks_resource(monkeypatch):
    # On Windows, by `visus tune` and `visus compress`.
    monkeypatch.setitem(sys.modules, "resource", None)
    runpy.run_path(benchmark.__file__)
