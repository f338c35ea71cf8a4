"""visus compress: what it writes is a checkpoint like any other, and limits are kept."""

import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from tests.conftest import newest, save_scene
from tests.training import train_in
from visus.apps.inference.loading import load_model
from visus.apps.parsing import CommandError
from visus.tasks.checkpoints import load_task, read_checkpoint
from visus.vision.scenes import make_scene

SMALL = ["--data.num_workers", "0", "--data.image_size", "[64,64]", "--trainer.max_epochs", "1"]
SCENES = {
    "classification": [*SMALL, "--model.backbone", "resnet9", "--data.count", "128"],
    "segmentation": [*SMALL, "--model.backbone", "test_resnet", "--data.count", "32"],
    "detection": [
        *SMALL,
        *("--model.backbone", "test_resnet", "--model.channels", "32", "--data.count", "32"),
        *("--model.architecture", "one_stage", "--model.strides", "[8,16,32]"),
        *("--model.shared_towers", "true"),
    ],
}
WIDE = ("--max-drop", "0.9", "--budget", "10m")


def parameters(path):
    """Number of weights of the network in a checkpoint."""
    return sum(p.numel() for p in load_task(path).network.parameters())


@pytest.fixture
def quick(monkeypatch):
    """Two large steps of a second, and short measurements."""
    from visus.apps.compress import measuring, search
    from visus.apps.compress.search import Search
    from visus.apps.report import intervals

    monkeypatch.setattr(measuring, "_SECONDS", 0.05)
    monkeypatch.setattr(intervals, "_RESAMPLES", 20)
    monkeypatch.setattr(Search, "_plan", lambda self: [1.0])
    monkeypatch.setattr(search, "_SHRINK", 0.75)
    monkeypatch.setattr(search, "_STEPS", 2)


@pytest.fixture(scope="module", params=SCENES)
def run(request, tmp_path_factory):
    """A tiny, hardly trained model of each task."""
    task = request.param
    options = [*SCENES[task], "--model.pretrained", "false", "--seed_everything", "1"]
    if task == "classification":
        options.remove("--model.pretrained")
        options.remove("false")
    return train_in(tmp_path_factory.mktemp(task), "--config", f"{task}/scenes", *options)


def test_the_result_is_a_checkpoint_like_any_other(visus, workplace, run, quick):
    code, out, err = visus("compress", run, *WIDE, "--output", "small.ckpt")
    assert code == 0, err
    assert "pruned 1" in out and "int8" in out and "on the test data" in out, out
    before, after = load_task(run / "best.ckpt"), load_task("small.ckpt")
    assert after.channels and not before.channels
    assert parameters("small.ckpt") < 0.85 * parameters(run / "best.ckpt")
    # Plain values: nothing of the library that pruned it is needed.
    stored = read_checkpoint("small.ckpt")
    assert "optimizer_states" not in stored
    assert all(isinstance(v, int) for s in stored["visus"]["channels"].values() for v in s.values())
    check = "import sys; from visus.tasks.checkpoints import load_task; load_task('small.ckpt')"
    check += "; assert 'torch_pruning' not in sys.modules"
    subprocess.run([sys.executable, "-c", check], check=True)
    code, out, err = visus("test", "small.ckpt")
    assert code == 0, err
    code, out, err = visus("export", "small.ckpt", "--output", "small.onnx")
    assert code == 0 and "100%" in out, err
    Image.fromarray(make_scene(3, (64, 80)).image).save("scene.png")
    for model in ("small.ckpt", "small.onnx"):
        code, out, err = visus("predict", model, "scene.png")
        assert code == 0 and out, err


def test_a_compressed_model_is_exported_for_phones_and_trained_further(
    visus, workplace, quick, monkeypatch
):
    from visus.apps.compress.run import _Compression

    monkeypatch.setattr(_Compression, "quantise", lambda self: None)
    options = ["convnet" if word == "resnet9" else word for word in SCENES["classification"]]
    run = train_in(workplace, "--config", "classification/scenes", *options)
    code, _, err = visus("compress", run, *WIDE, "--speedup", "1.01")
    assert code == 0, err
    small = run / "compressed.ckpt"
    code, out, err = visus("export", small, "--output", "small.pte")
    assert code == 0 and "100%" in out, err
    image = make_scene(5, (64, 64)).image
    exact, phone = (load_model(str(name)).predict(image) for name in (small, "small.pte"))
    assert np.allclose(exact.scores, phone.scores, atol=1e-4)
    code, _, err = visus("fit", "--config", "classification/scenes", *options, "--init-from", small)
    assert code == 0, err
    trained = newest("runs/*/*/*") / "best.ckpt"
    assert trained.parent != run
    assert load_task(trained).channels == load_task(small).channels


def test_wrong_arguments_and_files_of_others_are_refused(visus, workplace, tmp_path_factory, quick):
    folder = tmp_path_factory.mktemp("kept")
    options = ["convnet" if word == "resnet9" else word for word in SCENES["classification"]]
    run = train_in(folder, "--config", "classification/scenes", *options)
    (workplace / "small.onnx").write_text("mine")
    code, _, err = visus("compress", run, *WIDE, "--output", "small.ckpt")
    assert code == 2 and "small.onnx: exists, and the int8 model would replace it" in err
    assert (workplace / "small.onnx").read_text() == "mine"
    for arguments, message in (
        (("--max-drop", "2"), "--max-drop 2: must be at least 0 and below 1"),
        (("--speedup", "1"), "--speedup 1: must be above 1"),
        (("--output", "small.onnx"), "name a .ckpt file"),
        (("--budget", "3s"), "--budget 3s: trains nothing"),
    ):
        code, _, err = visus("compress", run, *arguments)
        assert code == 2 and message in err and err.count("\n") == 1, err
    code, _, err = visus("compress", "imagenet")
    assert code == 2 and "'imagenet' is ready made" in err, err


@pytest.fixture(scope="module")
def photos_run(tmp_path_factory):
    """A tiny classifier of the folders `star` and `ring`, with them in `photos`."""
    folder = tmp_path_factory.mktemp("photos")
    for name in ("star", "ring"):
        for i in range(8):
            save_scene(folder / "photos" / name / f"{i}.png", i, name)
    options = [*SMALL, "--model.backbone", "convnet", "--model.pretrained", "false"]
    run = train_in(folder, "--data", folder / "photos", *options)
    (folder / "others").mkdir()
    for name in ("star", "cross"):
        for i in range(8):
            save_scene(folder / "others" / name / f"{i}.png", i, name)
    return run, folder / "others"


def test_data_of_other_classes_are_refused_in_one_line(visus, workplace, photos_run):
    run, others = photos_run
    code, _, err = visus("compress", run, "--data", others, "--budget", "1m")
    assert code == 2
    assert "Traceback" not in err and "cross" in err, err
    assert not list(run.glob("compressed*"))


def test_a_plan_trains_smaller_networks_for_longer(monkeypatch):
    from types import SimpleNamespace

    from visus.apps.compress.search import Search

    search = Search.__new__(Search)
    search.overhead, search.reserved = 10.0, 150.0
    budget = SimpleNamespace(left=990.0, seconds=1000.0, elapsed=10.0)
    search._limits = SimpleNamespace(budget=budget)
    plan = search._plan()
    assert len(plan) == 10 and plan == sorted(plan)
    assert sum(plan) + len(plan) * search.overhead == pytest.approx(0.7 * (990 - 150))
    search.overhead = 300.0
    with pytest.raises(CommandError, match=r"the budget of 1000 s is too short: .* --budget 25m"):
        search._plan()


def search_path(monkeypatch, values, steps=8):
    """The models of a search of 100 s with these accuracies, and the times of its trainings."""
    from types import SimpleNamespace

    from visus.apps.compress.measuring import MainMetric, Measured
    from visus.apps.compress.search import Limits, Search

    accuracies = iter(values)

    class Student:
        """Its task is the number of its multiply-adds."""

        task = 1000

        @property
        def multiply_adds(self):
            return self.task

        def prune(self, fraction):
            self.task = int(fraction * self.task)

    student = Student()
    budget = SimpleNamespace(left=100.0, seconds=100.0, elapsed=0.0)
    search = Search.__new__(Search)
    search._student, search.overhead, search.reserved = student, 1.0, 15.0
    search._limits = Limits(max_drop=0.01, speedup=None, budget=budget)
    search.original = SimpleNamespace(metric=MainMetric("accuracy", 0.90, 0.01, True))

    times = []

    def train(step, seconds):
        times.append(seconds)
        budget.left -= seconds
        value = next(accuracies)
        metric = MainMetric("accuracy", value, 0.01, True)
        return Measured(step, metric, student.multiply_adds, 1.0, {})

    monkeypatch.setattr(search, "_train", train)
    monkeypatch.setattr(search, "_plan", lambda: [10.0] * steps)
    found = []
    search.run(lambda model, within: found.append((model.step, model.multiply_adds, within)))
    return found, times


def test_a_search_goes_on_where_a_drop_may_be_chance(monkeypatch):
    values = [0.90, 0.885, 0.892, 0.86, 0.87, 0.865]
    found, times = search_path(monkeypatch, values)
    assert found == [
        ("pruned 1", 850, True),
        # 0.015 is more than allowed, but by less than the standard error of 0.01.
        ("pruned 2", 722, False),
        ("pruned 3", 613, True),
        # 0.04 is not: it is trained on, and no smaller one is tried, until the time is over.
        ("pruned 4", 521, False),
        *[("pruned 4, trained on", 521, False)] * 2,
    ]
    # For longer and longer; 15 seconds are kept for the end, and one for a measurement.
    assert times == [10, 10, 10, 10, 20, 24]


def test_a_search_returns_to_the_model_that_nearly_kept_the_limit(monkeypatch):
    values = [0.90, 0.885, 0.86, 0.892, 0.87, 0.895]
    found, times = search_path(monkeypatch, values)
    assert found == [
        ("pruned 1", 850, True),
        ("pruned 2", 722, False),
        ("pruned 3", 613, False),
        ("pruned 2, trained on", 722, True),
        # From there, with the time of a fourth step.
        ("pruned 4", 613, False),
        ("pruned 4, trained on", 613, True),
    ]
    assert times == [10, 10, 10, 20, 10, 20]


def test_the_rest_of_the_time_is_for_a_near_miss_or_for_further_steps(monkeypatch):
    values = [0.90, 0.885, 0.885, 0.895]
    found, times = search_path(monkeypatch, values, steps=3)
    assert found[-1] == ("pruned 3, trained on", 613, True) and times[-1] == 20
    # Further ones while all keep the limit.
    found, times = search_path(monkeypatch, [0.90] * 5 + [0.885, 0.87], steps=3)
    assert [step for step, _, _ in found][-2:] == ["pruned 6", "pruned 6, trained on"]
    assert times == [10] * 6 + [20]


def test_a_step_that_was_trained_on_leaves_its_time_to_the_next(monkeypatch):
    values = [0.90, 0.90, 0.90, 0.90, 0.86, 0.90, 0.90]
    found, times = search_path(monkeypatch, values)
    assert [step for step, _, _ in found][-2:] == ["pruned 5, trained on", "pruned 6"]
    assert times == [10, 10, 10, 10, 10, 20, 10]


def test_a_search_that_fails_keeps_what_it_has_found(
    visus, workplace, photos_run, quick, monkeypatch
):
    from visus.apps.compress.run import _Compression
    from visus.apps.compress.search import Search
    from visus.apps.compress.training import Student

    prune, steps = Student.prune, []

    def fail_later(self, fraction):
        steps.append(fraction)
        if len(steps) == 2:
            raise RuntimeError("CUDA out of memory.\nTried to allocate")
        prune(self, fraction)

    monkeypatch.setattr(Student, "prune", fail_later)
    monkeypatch.setattr(Search, "_plan", lambda self: [0.5, 0.5])
    monkeypatch.setattr(_Compression, "quantise", lambda self: None)
    run, _ = photos_run
    code, out, err = visus("compress", run, *WIDE, "--speedup", "50", "--output", "small.ckpt")
    assert code == 0, err
    assert "the search ended early: CUDA out of memory.\n" in err and "Traceback" not in err
    # Its metrics follow, and that the goal was not reached.
    assert "compressed" in out and "--speedup 50: not reached" in out
    assert load_task("small.ckpt").channels
    # A compressed model is compressed again, but not over itself.
    (workplace / "compressed.ckpt").write_bytes((workplace / "small.ckpt").read_bytes())
    code, _, err = visus("compress", "compressed.ckpt", "--budget", "1m")
    assert code == 2 and "compressed.ckpt: would be overwritten" in err
    (workplace / "file").write_text("")
    code, _, err = visus("compress", "small.ckpt", "--budget", "1m", "--output", "file/new.ckpt")
    assert code == 2 and "file/new.ckpt: cannot be written" in err


def test_data_without_a_metric_are_refused(visus, workplace, photos_run, quick, monkeypatch):
    from visus.apps.compress import search
    from visus.apps.compress.measuring import MainMetric

    missing = MainMetric("map", float("nan"), None, True)
    monkeypatch.setattr(search, "assess", lambda *arguments: missing)
    code, _, err = visus("compress", photos_run[0], *WIDE, "--output", "small.ckpt")
    assert code == 2 and "the validation data have no map" in err and err.count("\n") == 1
