"""visus predict --engine ray: the rows of a local prediction, in partitions."""

import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from tests.reliability.counts import SOAK, count
from tests.training import inside, train_in
from visus.apps.cli import main
from visus.apps.cluster import partitions
from visus.apps.cluster.worker import Job, PartitionPredictor
from visus.vision.output_files import write_image
from visus.vision.scenes import make_scene

IMAGES = count(14, 5000)
BAD = 5


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with an exported detector, `images` of which one is damaged, and `local.jsonl`."""
    folder = tmp_path_factory.mktemp("ray")
    run = train_in(
        folder,
        *("--config", "detection/scenes", "--data.count", "32", "--data.num_workers", "0"),
        *("--data.image_size", "[96,96]", "--trainer.max_epochs", "1", "--model.pretrained"),
        *("false", "--model.backbone", "test_resnet", "--model.channels", "16"),
        *("--model.architecture", "one_stage", "--model.strides", "[8,16,32]"),
    )
    for i in range(IMAGES):
        write_image(folder / "images" / f"{i:05d}.png", make_scene(i % 40, (96, 96 + i)).image)
    (folder / "images" / f"{BAD:05d}.png").write_bytes(b"not an image")
    with inside(folder):
        assert main(["export", str(run), "--output", "model.onnx"]) == 0
        local = ["predict", "model.onnx", "images", "--threshold", "0.01", "--jsonl", "local.jsonl"]
        assert main(local) == 3
    return folder


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(partitions, "_IMAGES", count(6, 256))


def predict(*words):
    return main(["predict", "model.onnx", "images", "--threshold", "0.01", *words])


def rows(folder):
    return [
        json.loads(line)
        for file in sorted(Path(folder).glob("part-*.jsonl"))
        for line in file.read_text().splitlines()
    ]


def assert_equal_to_local(found):
    assert [Path(row["source"]).name for row in found] == [f"{i:05d}.png" for i in range(IMAGES)]
    bad = found.pop(BAD)
    assert bad["error"].startswith("not an image in a known format")
    assert found == [json.loads(line) for line in Path("local.jsonl").read_text().splitlines()]


def test_rows_are_those_of_a_local_prediction_and_a_restart_continues(place, capsys):
    with inside(place):
        assert predict("--engine", "ray", "--jsonl", "out") == 3
        assert_equal_to_local(rows("out"))
        assert "1 images could not be read; their rows say why" in capsys.readouterr().err
        files = sorted(Path("out").glob("part-*"))
        kept = {file: file.stat().st_mtime_ns for file in files[:-1]}
        files[-1].unlink()
        assert predict("--engine", "ray", "--jsonl", "out") == 0
        err = capsys.readouterr().err
        assert f"{len(files) - 1} of {len(files)} partitions exist already" in err
        assert_equal_to_local(rows("out"))
        assert {file: file.stat().st_mtime_ns for file in kept} == kept
        # Nothing is left to do, and Ray is not started.
        assert predict("--engine", "ray://127.0.0.1:1", "--jsonl", "out") == 0


def test_another_prediction_is_not_mixed_in(place, capsys):
    with inside(place):
        plan = partitions.Partitions(Path("other"), ".jsonl", sorted(Path("images").iterdir()))
        plan.claim(Path("model.onnx"), {"runtime": "openvino", "threshold": 0.5})
        assert predict("--engine", "ray", "--jsonl", "other") == 2
        assert (
            "with other options (options in prediction.json); name a new" in capsys.readouterr().err
        )
        assert predict("--engine", "ray", "--jsonl", "images") == 2
        assert "images: is not empty, and holds no prediction.json" in capsys.readouterr().err
        assert len(list(Path("images").iterdir())) == IMAGES


def test_parquet_holds_the_same_rows(place):
    parquet = pytest.importorskip("pyarrow.parquet")
    with inside(place):
        names = [f"images/{i:05d}.png" for i in range(8)]
        job = Job("model.onnx", None, {"threshold": 0.01}, str(place), 1, False)
        predictor = PartitionPredictor(job)
        found = predictor({"images": names, "file": "part.parquet"})
        assert found == {"images": 8, "problems": 1}
        table = parquet.read_table("part.parquet")
        assert table.column_names == ["source", "width", "height", "error", "prediction"]
        lines = [json.loads(line) for line in Path("local.jsonl").read_text().splitlines()]
        local = {line["source"]: line for line in lines}
        for row in table.to_pylist():
            if row["source"].endswith(f"{BAD:05d}.png"):
                assert row["error"] and row["prediction"] is None and row["width"] is None
                continue
            given = json.loads(row["prediction"]) | {
                k: row[k] for k in ("source", "width", "height")
            }
            assert given == local[row["source"]] and row["error"] is None


def test_parquet_holds_names_that_are_not_utf8(place):
    parquet = pytest.importorskip("pyarrow.parquet")
    name = os.fsdecode(b"images/caf\xe9.png")
    with inside(place):
        try:
            shutil.copy("images/00000.png", name)
        except OSError:
            pytest.skip("this file system has names in UTF-8 alone")
        try:
            job = Job("model.onnx", None, {"threshold": 0.01}, str(place), 1, False)
            PartitionPredictor(job)({"images": [name], "file": "names.parquet"})
        finally:
            os.remove(name)
        (row,) = parquet.read_table("names.parquet").to_pylist()
        assert row["source"] == "images/caf\\udce9.png" and row["error"] is None


@pytest.mark.parametrize("suffix", [".jsonl", ".parquet"])
def test_private_rows_are_readable_by_the_user_alone(place, suffix):
    pytest.importorskip("pyarrow")
    with inside(place):
        job = Job("model.onnx", None, {"threshold": 0.01}, str(place), 1, True)
        file = Path(f"private{suffix}")
        PartitionPredictor(job)({"images": ["images/00000.png"], "file": str(file)})
        assert stat.S_IMODE(file.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["--engine", "spark", "--jsonl", "x"],
            "--engine spark: is unknown; ray uses this machine",
        ),
        (["--engine", "ray"], "name a folder to write, by --jsonl DIR or --parquet DIR"),
        (["--engine", "ray", "--jsonl", "-"], "name a folder to write"),
        (["--engine", "ray", "--jsonl", "x", "--draw", "y"], "--draw: works without --engine"),
        (["--parquet", "x"], "--parquet needs --engine ray"),
        (["--engine", "ray", "--jsonl", "local.jsonl"], "local.jsonl: is a file; name a folder"),
        (["--engine", "ray://127.0.0.1:1", "--jsonl", "new"], "cannot be reached"),
        (["--engine", "ray://head", "--jsonl", "new"], "it names no port, such as ray://HOST:6379"),
    ],
)
def test_bad_arguments(place, capsys, words, message):
    with inside(place):
        assert predict(*words) == 2
        assert message in capsys.readouterr().err


if SOAK:

    def test_killed_workers_lose_and_double_nothing(place):
        killed, ended = [], threading.Event()

        def kill():
            while not ended.wait(2) and len(killed) < 10:
                for process in Path("/proc").glob("[0-9]*"):
                    try:
                        title = (process / "cmdline").read_bytes()
                    except OSError:
                        continue
                    # Only one that has begun to write is worth killing.
                    if title.startswith(b"ray::MapWorker") and len(killed) < 10:
                        os.kill(int(process.name), signal.SIGKILL)
                        killed.append(time.monotonic())

        with inside(place):
            killer = threading.Thread(target=kill)
            killer.start()
            assert predict("--engine", "ray", "--jsonl", "killed") == 3
            ended.set()
            killer.join()
            assert len(killed) == 10
            assert_equal_to_local(rows("killed"))

    def test_a_cluster_that_runs_already(place, monkeypatch):
        monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
        ray = Path(sys.executable).with_name("ray")
        start = [ray, "start", "--head", "--num-cpus", "1", "--include-dashboard", "false"]
        subprocess.run([*start, "--disable-usage-stats"], check=True, capture_output=True)
        try:
            with inside(place):
                assert predict("--engine", "ray://127.0.0.1:6379", "--jsonl", "cluster") == 3
                assert_equal_to_local(rows("cluster"))
        finally:
            subprocess.run([ray, "stop"], check=True, capture_output=True)
