"""Training on two nodes that share no disk: two launchers with addresses of their own."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from tests.conftest import newest_metrics
from tests.reliability.counts import SOAK

VISUS = str(Path(sys.executable).with_name("visus"))
ADDRESSES = ("127.0.0.1", "127.0.0.2")
FIT = [
    *("fit", "--config", "classification/scenes", "--data.count", "400", "--data.num_workers", "0"),
    *("--model.backbone", "lenet5", "--trainer.precision", "32-true"),
    *("--trainer.accelerator", "cpu", "--seed_everything", "3"),
]
TWENTY_STEPS = ["--trainer.max_epochs", "1", "--trainer.limit_train_batches", "20"]
ROUNDING = 1e-6
"""Of weights after 20 steps, in the mean: two halves of a batch are summed in another order."""

LARGEST_ROUNDING = 1e-4
"""Of any weight: AdamW divides gradients near zero by their own size."""


class Nodes:
    """Two nodes, each a folder with a launcher of one process."""

    def __init__(self, folder):
        self.folders = [folder / "first", folder / "second"]
        for each in self.folders:
            each.mkdir()
        self.launchers = []

    def start(self, words):
        with socket.socket() as probe:
            probe.bind((ADDRESSES[0], 0))
            port = str(probe.getsockname()[1])
        for number, folder in enumerate(self.folders):
            launcher = [
                *(sys.executable, "-m", "torch.distributed.run", "--nnodes", "2"),
                *("--nproc-per-node", "1", "--node-rank", str(number)),
                *("--master-addr", ADDRESSES[0], "--master-port", port),
                *("--local-addr", ADDRESSES[number], "--no-python", VISUS),
            ]
            environment = os.environ | {
                "VISUS_CACHE": str(folder / "cache"),
                "GLOO_SOCKET_IFNAME": "lo",
                "OMP_NUM_THREADS": "1",
            }
            environment.pop("VISUS_RUN_FOLDER", None)
            with (folder / "output.txt").open("w") as output:
                self.launchers.append(
                    subprocess.Popen(
                        [*launcher, *words],
                        cwd=folder,
                        env=environment,
                        stdout=output,
                        stderr=subprocess.STDOUT,
                    )
                )

    def wait(self, seconds=240):
        codes = [launcher.wait(seconds) for launcher in self.launchers]
        self.launchers = []
        return codes

    def kill(self, number):
        launcher = self.launchers[number].pid
        # Its process has a session of its own.
        children = Path(f"/proc/{launcher}/task/{launcher}/children").read_text().split()
        for process in (launcher, *map(int, children)):
            os.kill(process, signal.SIGKILL)
        self.launchers[number].wait()

    def output(self, number):
        return (self.folders[number] / "output.txt").read_text()


@pytest.fixture
def nodes(tmp_path):
    nodes = Nodes(tmp_path)
    yield nodes
    for number, launcher in enumerate(nodes.launchers):
        if launcher.poll() is None:
            nodes.kill(number)


def weights(folder):
    (file,) = folder.glob("runs/*/*/*/last.ckpt")
    return torch.load(file, weights_only=True)["state_dict"]


def assert_all_files_on_the_first(nodes):
    (run,) = nodes.folders[0].glob("runs/*/*/*")
    assert {"config.yaml", "last.ckpt", "metrics.csv"} <= {file.name for file in run.iterdir()}
    assert not (nodes.folders[1] / "runs").exists()
    assert "run folder" in nodes.output(0) and "run folder" not in nodes.output(1)
    return run


def test_two_nodes_equal_one_process_with_the_same_global_batch(
    nodes, visus, workplace, monkeypatch
):
    nodes.start([*FIT, *TWENTY_STEPS, "--data.batch_size", "8"])
    assert nodes.wait() == [0, 0], nodes.output(0) + nodes.output(1)
    run = assert_all_files_on_the_first(nodes)
    code, _, err = visus(*FIT, *TWENTY_STEPS, "--data.batch_size", "16")
    assert code == 0, err
    expected, got = weights(workplace), weights(nodes.folders[0])
    for name, value in expected.items():
        difference = (got[name].float() - value.float()).abs()
        assert difference.mean() <= ROUNDING and difference.max() <= LARGEST_ROUNDING, name
    # Evaluation: the checkpoint lies on both nodes, as one would copy it.
    for folder in nodes.folders:
        shutil.copy(run / "last.ckpt", folder / "model.ckpt")
    nodes.start(["test", "model.ckpt", "--trainer.accelerator", "cpu"])
    assert nodes.wait() == [0, 0], nodes.output(0) + nodes.output(1)
    monkeypatch.chdir(nodes.folders[0])
    measured = newest_metrics()
    assert visus("test", "model.ckpt", "--trainer.accelerator", "cpu")[0] == 0
    for name, value in newest_metrics().items():
        assert measured[name] == pytest.approx(value, abs=1e-6), name


if SOAK:

    @pytest.mark.parametrize("lost", [0, 1])
    def test_a_lost_node_stops_the_other_which_is_resumed_by_one_process(
        nodes, visus, monkeypatch, lost
    ):
        nodes.start([*FIT, "--data.batch_size", "8", "--trainer.max_epochs", "500"])
        first = nodes.folders[0]
        while not list(first.glob("runs/*/*/*/last.ckpt")):
            assert nodes.launchers[0].poll() is None, nodes.output(0)
            time.sleep(0.2)
        nodes.kill(lost)
        begin = time.monotonic()
        code = nodes.launchers[1 - lost].wait(60)
        assert time.monotonic() - begin < 60
        assert code != 0
        output = nodes.output(1 - lost)
        assert "another process of this training has ended or cannot be reached" in output
        assert "Traceback" not in output.partition("another process")[0]
        monkeypatch.chdir(first)
        (file,) = first.glob("runs/*/*/*/last.ckpt")
        before = torch.load(file, weights_only=True)
        code, _, err = visus(
            *("fit", "--resume", "latest", "--trainer.accelerator", "cpu"),
            *("--data.batch_size", "16", "--trainer.max_epochs", str(before["epoch"] + 3)),
        )
        assert code == 0, err
        after = torch.load(file, weights_only=True)
        steps = before["global_step"] // (before["epoch"] + 1)
        assert after["global_step"] == steps * (before["epoch"] + 3)

    @pytest.mark.skipif(shutil.which("srun") is None, reason="SLURM is not installed")
    def test_slurm(tmp_path, monkeypatch):
        script = Path(__file__).parents[2] / "deploy" / "train.sbatch"
        text = script.read_text()
        words = " ".join([*FIT, *TWENTY_STEPS, "--data.batch_size", "8"])
        text = text.replace("visus fit --data photos", f"{VISUS} {words}")
        (tmp_path / "train.sbatch").write_text(text)
        command = ["sbatch", "--wait", "--cpus-per-task=1", "--output=output.txt", "train.sbatch"]
        done = subprocess.run(command, cwd=tmp_path, timeout=300, capture_output=True, text=True)
        output = tmp_path / "output.txt"
        assert done.returncode == 0, done.stderr + output.read_text()
        assert "batch 8 x 2 processes" in output.read_text()
        assert len(list(tmp_path.glob("runs/*/*/*/last.ckpt"))) == 1
