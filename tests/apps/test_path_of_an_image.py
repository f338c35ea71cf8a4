"""The files that execute for each image, from `visus predict` to a line of JSON."""

import sys
import threading
from collections import Counter
from pathlib import Path

import visus as package
from tests.conftest import save_scene
from visus.apps.inference import loading

ROOT = Path(package.__file__).parent.parent
PATH = {
    "apps/live/sources/files.py",
    "vision/images.py",
    "vision/decoding",
    "apps/live/cameras.py",
    "apps/live/loop.py",
    "apps/live/prediction.py",
    "apps/live/parallel.py",
    "apps/live/times.py",
    "vision/frames.py",
    "vision/model.py",
    "vision/resize.py",
    "apps/inference/backends/openvino_cpu.py",
    "tasks/classification/prediction.py",
    "tasks/class_scores.py",
    "vision/printable.py",
    "vision/progress.py",
    "apps/live/printing.py",
    "apps/standard_streams.py",
}


def calls_after_loading(visus, monkeypatch, arguments):
    """How often functions of each file are called, in all threads, once the model is loaded."""
    calls, load = Counter(), loading.load_model

    def count(frame, event, _):
        if event == "call":
            calls[frame.f_code.co_filename] += 1

    def load_then_count(*given):
        model = load(*given)
        threading.setprofile(count)
        sys.setprofile(count)
        return model

    with monkeypatch.context() as context:
        context.setattr(loading, "load_model", load_then_count)
        try:
            code, _, err = visus("predict", *arguments)
        finally:
            sys.setprofile(None)
            threading.setprofile(None)
    assert code == 0, err
    return calls


def test_few_files_are_involved_for_each_image(visus, workplace, model, monkeypatch):
    calls = []
    for count in (4, 8):
        folder = f"images{count}"
        for i in range(count):
            save_scene(workplace / folder / f"{i}.png", i)
        calls.append(
            calls_after_loading(visus, monkeypatch, [model[0], folder, "--jsonl", "o.jsonl"])
        )
        assert len(Path("o.jsonl").read_text().splitlines()) == count
    fewer, more = calls
    # Calls that happen once a run do not grow with the number of images.
    grown = {Path(name).resolve() for name in more if more[name] > fewer[name]}
    decoding = ROOT / "vision" / "decoding"
    grown = {decoding if path.is_relative_to(decoding) else path for path in grown}
    ours = {str(path.relative_to(ROOT)) for path in grown if path.is_relative_to(ROOT)}
    assert ours == PATH
