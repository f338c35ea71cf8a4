"""Check visus on a GPU: every task trains, both devices agree, memory shortage gives advice.

Run `make gpu-check` on a machine with a GPU; it takes under eight minutes and downloads nothing.
It prints one table and fails on any disagreement. `--device cpu --steps 2` runs the same code
without a GPU, to check the check.
"""

import argparse
import json
import math
import os
import socket
import subprocess
import sys
import time
from contextlib import chdir, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from gpu_speed import RandomData, bare_rate, trainer_rate, utilisation
from rich.console import Console
from rich.table import Table

from visus.apps.cli import main as visus
from visus.apps.samples import write_samples
from visus.apps.training.run import measure, silence_libraries
from visus.tasks.classification.data_info import ClassificationInfo
from visus.tasks.classification.task import ClassificationTask
from visus.tasks.data_info import info_from_data

CONFIGS = {
    "classification/scenes": "--data.count 4000",
    "detection/scenes": "--data.count 3000",
    "segmentation/scenes": "--data.count 3000",
    "captioning/scenes": "--data.count 5000",
    "face3d/synthetic": (
        "--data.count 3000 --data.face_model procedural --data.components 8 "
        "--data.expressions [jawOpen]"
    ),
    "face_recognition/custom": (
        "--data.root samples/people --data.align false --data.val_share 0.5 --data.batch_size 8 "
        "--data.image_size [96,96]"
    ),
}
"""A configuration of each task whose data are made by code, at a reduced size."""

PRECISIONS = ("32-true", "bf16-mixed")
TOLERANCE = 0.01
"""Of figures from 0 to 1 between devices: convolutions on a GPU round to TF32."""


@dataclass
class Results:
    """Rows of the table, and what failed.

    Attributes:
        rows: Check, result, and `ok`, `FAILED` or why it did not run.
        start: Time of the start, in seconds of the clock `perf_counter`.
    """

    rows: list[tuple[str, str, str]] = field(default_factory=list)
    start: float = field(default_factory=time.perf_counter)

    def add(self, check: str, result: str, passed: bool) -> None:
        """Add a check, and print it: a later one may take too long."""
        self._add(check, result, "ok" if passed else "FAILED")

    def skip(self, check: str, reason: str) -> None:
        """Add a check that cannot run here."""
        self._add(check, "", reason)

    def _add(self, *row: str) -> None:
        self.rows.append((row[0], row[1], row[2]))
        minutes = (time.perf_counter() - self.start) / 60
        print(f"{minutes:4.1f} min  {row[0]}: {row[2]}  {row[1]}", file=sys.stderr, flush=True)

    @property
    def failed(self) -> bool:
        """Whether any check failed."""
        return any(verdict == "FAILED" for _, _, verdict in self.rows)


def run(command: str) -> tuple[int, str]:
    """Run a command of visus in this process; returns the exit code and what it printed."""
    printed = StringIO()
    with redirect_stdout(printed), redirect_stderr(printed):
        code = visus(command.split())
    os.environ.pop("VISUS_RUN_FOLDER", None)
    return code, printed.getvalue()


def check_training(results: Results, device: str, steps: int) -> Path:
    """Train every task in both precisions, and measure it on both devices.

    Returns:
        The run folder of the classifier.
    """
    runs = {}
    for config, arguments in CONFIGS.items():
        for precision in PRECISIONS:
            start = time.perf_counter()
            code, output = run(
                f"fit --config {config} {arguments} --trainer.max_epochs 1000 --trainer.max_steps "
                f"{steps} --trainer.limit_val_batches 2 --trainer.precision {precision} "
                f"--trainer.accelerator {device} --trainer.devices 1"
            )
            seconds = time.perf_counter() - start
            name = f"{config}, {steps} steps, {precision}"
            results.add(name, f"{seconds:.0f} s" if code == 0 else output[-300:], code == 0)
        if code == 0:
            runs[config] = newest_run()
            compare_devices(results, runs[config], device, steps)
    return runs["classification/scenes"]


def newest_run() -> Path:
    """The run folder that was written last."""
    return max(Path("runs").glob("*/*/*"), key=lambda folder: folder.stat().st_mtime_ns)


def compare_devices(results: Results, folder: Path, device: str, batches: int) -> None:
    """Compare the test figures of a run on the CPU and on the device."""
    limit = f"--trainer.limit_test_batches={min(8, batches)}"
    figures = [figures_of([str(folder), limit], each) for each in ("cpu", device)]
    difference = largest_difference(*figures)
    name = f"{folder.parts[1]}: test on cpu and {device}"
    results.add(name, f"largest difference {difference:.5f}", difference <= TOLERANCE)


def figures_of(arguments: list[str], device: str) -> dict[str, float]:
    """The test figures of a model, in float32."""
    with redirect_stdout(StringIO()):
        return measure(
            [
                *arguments,
                *("--trainer.accelerator", device, "--trainer.devices", "1"),
                *("--trainer.precision", "32-true"),
            ]
        )


def largest_difference(first: dict[str, float], second: dict[str, float]) -> float:
    """The largest difference of two sets of figures; infinite where only one is defined.

    Figures that are not fractions, such as errors in degrees, are compared by their ratio.
    """
    worst = 0.0 if first.keys() == second.keys() else math.inf
    for name in first.keys() & second.keys():
        a, b = first[name], second[name]
        if math.isnan(a) and math.isnan(b):
            continue
        difference = abs(a - b) / max(1.0, abs(a), abs(b))
        worst = max(worst, math.inf if math.isnan(difference) else difference)
    return worst


def check_two_processes(results: Results, folder: Path, device: str) -> None:
    """Measure a run by two processes on one device; the figures must be those of one."""
    expected = figures_of([str(folder)], device)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    strategy = "--trainer.strategy.init_args.process_group_backend"
    words = [
        *("test", str(folder), "--trainer.accelerator", device, "--trainer.devices", "1"),
        *("--trainer.num_nodes", "2", "--trainer.precision", "32-true"),
        *("--trainer.strategy.class_path", "pytorch_lightning.strategies.DDPStrategy"),
        # NCCL refuses two processes on one GPU.
        *(strategy, "gloo"),
    ]
    processes = [
        subprocess.Popen(
            [str(Path(sys.executable).with_name("visus")), *words],
            env={
                **os.environ,
                **{"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "WORLD_SIZE": "2"},
                **{"NODE_RANK": str(rank), "LOCAL_RANK": "0"},
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for rank in range(2)
    ]
    outputs = [process.communicate(timeout=300)[0] for process in processes]
    if any(process.returncode for process in processes):
        results.add("two processes on one device", outputs[0][-300:], False)
        return
    stored = json.loads((newest_run() / "metrics.json").read_text())["metrics"]
    # A report adds figures, such as those of each class.
    shared = {name: value for name, value in stored.items() if name in expected}
    measured = {name: math.nan if value is None else value for name, value in shared.items()}
    difference = largest_difference(expected, measured)
    results.add(
        "two processes on one device", f"largest difference {difference:.7f}", difference < 1e-5
    )


def check_out_of_memory(results: Results, device: str) -> None:
    """Train with too large a batch: one line with advice, and no traceback."""
    name = "out of memory gives advice"
    if device == "cpu":
        results.skip(name, "needs a GPU")
        return
    torch.cuda.set_per_process_memory_fraction(0.02)
    code, output = run(
        "fit --config classification/scenes --data.count 9000 --data.batch_size 8192 "
        "--trainer.max_steps 2 --trainer.accelerator gpu --trainer.devices 1"
    )
    torch.cuda.set_per_process_memory_fraction(1.0)
    torch.cuda.empty_cache()
    last = output.strip().splitlines()[-1] if output.strip() else ""
    good = code == 2 and "out of memory on cuda:0" in last and "--data.batch_size 4096" in last
    results.add(name, last[:120], good)


def check_onnx(results: Results, folder: Path) -> None:
    """Compare an exported file on ONNX Runtime's CUDA provider with its CPU provider."""
    import onnxruntime

    name, provider = "ONNX Runtime, CUDA provider", "CUDAExecutionProvider"
    if provider not in onnxruntime.get_available_providers():
        results.skip(name, "onnxruntime-gpu is not installed")
        return
    code, output = run(f"export {folder} --output classifier.onnx")
    if code:
        results.add(name, output[-300:], False)
        return
    sessions = [
        onnxruntime.InferenceSession("classifier.onnx", providers=[each])
        for each in ("CPUExecutionProvider", provider)
    ]
    shape = [each if isinstance(each, int) else 8 for each in sessions[0].get_inputs()[0].shape]
    images = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    outputs = [s.run(None, {s.get_inputs()[0].name: images})[0] for s in sessions]
    difference = float(np.abs(outputs[0] - outputs[1]).max())
    results.add(name, f"largest difference of a logit {difference:.4f}", difference < 0.05)


def check_speed(results: Results, device: str, steps: int) -> None:
    """Compare the throughput of the trainer with that of a bare loop on the same images."""
    batch, size = (256, 128) if device == "gpu" else (8, 32)
    for precision, dtype in (("32-true", None), ("bf16-mixed", torch.bfloat16)):
        rates, used = {}, ""
        for name in ("bare loop", "visus"):
            data = RandomData(batch * steps, size, batch)
            info = info_from_data(ClassificationInfo, data)
            task = ClassificationTask(info, backbone="resnet18")
            with utilisation(device) as samples:
                if name == "visus":
                    rates[name] = trainer_rate(task, data, device, precision)
                else:
                    rates[name] = bare_rate(task, data, device, dtype)
            busy = f"{np.median(samples):.0f} %" if samples else "not measured"
            used += f", GPU {busy} ({name})"
        ratio = rates["visus"] / rates["bare loop"]
        results.add(
            f"throughput against a bare loop, resnet18, {precision}",
            f"{rates['visus']:,.0f} images/s, ratio {ratio:.2f}{used}",
            ratio > 0.8 or device == "cpu",
        )


def main() -> int:
    """Run all checks, print the table; returns 1 on a disagreement."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", choices=["gpu", "cpu"], default="gpu")
    parser.add_argument("--steps", type=int, default=100, help="steps of each training")
    given = parser.parse_args()
    if given.device == "gpu" and not torch.cuda.is_available():
        print("gpu_check: PyTorch finds no GPU here; visus doctor says more", file=sys.stderr)
        return 2
    card = torch.cuda.get_device_name() if given.device == "gpu" else "CPU, a dry run"
    silence_libraries()
    results = Results()
    with TemporaryDirectory() as folder, chdir(folder):
        list(write_samples(Path("samples")))
        classifier = check_training(results, given.device, given.steps)
        check_two_processes(results, classifier, given.device)
        check_out_of_memory(results, given.device)
        check_onnx(results, classifier)
        check_speed(results, given.device, given.steps)
    minutes = (time.perf_counter() - results.start) / 60
    versions = f"torch {torch.__version__}, CUDA {torch.version.cuda}, {minutes:.1f} minutes"
    table = Table("check", "result", "", title=f"{card}, {versions}")
    for row in results.rows:
        table.add_row(*row)
    Console(width=160).print(table)
    return int(results.failed)


if __name__ == "__main__":
    sys.exit(main())
