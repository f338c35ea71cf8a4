"""Every command of the README, run from an installed wheel, far from the checkout."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.server import visus_of
from tests.wheel import ROOT, install_wheel

NEED_A_CAMERA = ("visus live latest 0",)


def readme_blocks(language):
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    return re.findall(rf"```{language}\n(.*?)```", text, re.S)


def readme_commands():
    """The commands of all blocks in their order, and those of the table behind them."""
    lines = [line for block in readme_blocks("bash") for line in block.splitlines()]
    commands = [line.partition("  #")[0].strip() for line in lines]
    table = re.findall(r"^\|.*`(visus [^`]+)`", (ROOT / "README.md").read_text(), re.M)
    return [line for line in commands if line.startswith("visus ")], table


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """An environment that imports visus from its built wheel alone."""
    target = install_wheel(tmp_path_factory.mktemp("wheel"))
    environment = {**os.environ, "PYTHONPATH": str(target)}
    environment.pop("VISUS_RUN_FOLDER", None)
    return target, environment


def test_the_readmes_commands_work_in_their_order(installed, workplace):
    target, environment = installed
    commands, table = readme_commands()
    assert len(commands) > 30 and len(table) == 7
    script = [sys.executable, str(target / "bin" / "visus"), "--version"]
    assert subprocess.run(script, env=environment, capture_output=True).returncode == 0
    with visus_of(environment) as visus:
        for command in commands:
            words = shlex.split(command)[1:]
            code, output = visus(words)
            if command in NEED_A_CAMERA:
                assert code == 2 and "no display" in output
                continue
            # The doctor's exit code tells the state of this machine.
            expected = (0, 1) if command == "visus doctor" else (0,)
            assert code in expected, f"{command}\n{output}"
            assert str(ROOT) not in output
            if command == "visus predict imagenet cat.jpg":
                assert_printed(output, readme_blocks("text")[0])
        for command in table:
            words = [*shlex.split(command)[1:], *SHORT]
            words += ["--data.skip_bad", "true"] if "people" in words else []
            words += ["--data.min_count", "1"] if "captioned" in words else []
            words += ["--data.count", "32"] if "face3d/synthetic" in words else []
            code, output = visus(words)
            assert code == 0, f"{command}\n{output}"
    for block in readme_blocks("python"):
        done = subprocess.run(
            [sys.executable, "-c", block], env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0 and "cat" in done.stdout, done.stderr
    for made in (
        "named/cat.jpg",
        "why/cat.jpg",
        "predictions.jsonl",
        "named.mp4",
        "model.onnx",
        "tracked/clip.mp4",
        "segmented/p0.png",
        "faces/portrait.jpg",
        "who.mp4",
        "edge/bundle.json",
        "captions/cat.jpg",
    ):
        assert Path(made).stat().st_size > 0


def assert_printed(output, expected):
    """The same words in the same order, and the same numbers but for rounding."""
    number = r"\d\.\d\d"
    assert re.sub(number, "N", output).strip() == re.sub(number, "N", expected).strip()
    pairs = zip(re.findall(number, output), re.findall(number, expected), strict=True)
    assert all(abs(float(a) - float(b)) <= 0.0101 for a, b in pairs)


SHORT = ["--trainer.max_epochs", "1", "--trainer.limit_train_batches", "1"]


def test_links_of_the_documentation_lead_somewhere():
    for page in (*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")):
        for link in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
            if "://" not in link:
                assert (page.parent / link).exists(), f"{page.name}: {link}"


def test_documented_arguments_exist():
    """Arguments that the pages name are those of the tasks and data modules."""
    import inspect

    from visus.datamodules.registry import data_specs
    from visus.tasks.base import VisionTask
    from visus.tasks.registry import task_specs

    text = "".join(p.read_text(encoding="utf-8") for p in (ROOT / "docs").rglob("*.md"))
    text += (ROOT / "README.md").read_text(encoding="utf-8")
    homes = {
        "model": [VisionTask, *(spec.lightning_class() for spec in task_specs().values())],
        "data": [each for spec in data_specs().values() for each in spec.data_modules()],
    }
    for home, classes in homes.items():
        bases = {base for c in classes for base in c.__mro__}
        known = {name for base in bases for name in inspect.signature(base.__init__).parameters}
        named = set(re.findall(rf"--{home}\.(\w+)", text)) - {"help"}
        assert named and named <= known, named - known
