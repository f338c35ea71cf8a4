"""Every command of the README, run from an installed wheel, far from the checkout."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import cv2
import pytest

from tests.conftest import save_captions, save_detection, save_masked

ROOT = Path(__file__).parent.parent
NEED_A_CAMERA = ("visus live imagenet 0", "visus live faces 0 --gallery faces.db")


def readme_blocks(language):
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    return re.findall(rf"```{language}\n(.*?)```", text, re.S)


def readme_commands():
    lines = [line for block in readme_blocks("bash") for line in block.splitlines()]
    commands = [line.partition("  #")[0].strip() for line in lines]
    return [line for line in commands if line.startswith("visus ")]


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A folder with the built wheel unpacked, and an environment that imports from it alone."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    ignored = shutil.ignore_patterns(".git", ".venv", "runs", "demo", "build", "*.egg-info")
    shutil.copytree(ROOT, source, ignore=ignored)
    pip = [sys.executable, "-m", "pip", "--quiet"]
    build = [*pip, "wheel", "--no-deps", "--wheel-dir", str(folder), str(source)]
    subprocess.run(build, check=True)
    (wheel,) = folder.glob("visus-*.whl")
    target = folder / "site"
    subprocess.run([*pip, "install", "--no-deps", "--target", str(target), str(wheel)], check=True)
    shutil.rmtree(source)
    environment = {**os.environ, "PYTHONPATH": str(target)}
    environment.pop("VISUS_RUN_FOLDER", None)
    return target, environment


COMMANDS = """
import json, os, sys
import albumentations, onnx, pytorch_lightning, timm, torch, torchvision
from visus.apps.cli import main

for line in sys.stdin:
    child = os.fork()
    if not child:
        output = os.open("output.txt", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(output, 1)
        os.dup2(output, 2)
        code = main(json.loads(line))
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


@contextmanager
def visus_of(environment):
    """Run commands of the installed wheel, each in a process that has imported what is slow."""
    with subprocess.Popen(
        [sys.executable, "-c", COMMANDS],
        env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as server:  # fmt: skip

        def run(words):
            server.stdin.write(json.dumps(words) + "\n")
            server.stdin.flush()
            code = int(server.stdout.readline())
            return code, Path("output.txt").read_text()

        yield run
        server.stdin.close()


def test_the_readmes_commands_work_in_their_order(installed, photos, workplace):
    from skimage import data

    target, environment = installed
    cv2.imwrite("cat.jpg", data.chelsea()[..., ::-1])
    writer = cv2.VideoWriter("clip.mp4", cv2.VideoWriter.fourcc(*"mp4v"), 10, (64, 48))
    for _ in range(10):
        writer.write(cv2.resize(data.coffee()[..., ::-1], (64, 48)))
    writer.release()
    commands = readme_commands()
    assert len(commands) > 12
    save_detection(workplace / "boxes", "coco", ("train", "val"), 4)
    save_masked(workplace / "masks", "folders", 6)
    save_captions(workplace / "captioned", 8)
    _save_portraits(data.astronaut())
    script = [sys.executable, str(target / "bin" / "visus"), "--version"]
    assert subprocess.run(script, env=environment, capture_output=True).returncode == 0
    with visus_of(environment) as visus:
        for command in commands:
            words = shlex.split(command)[1:]
            if command.startswith("visus fit --config") and "custom" in command and len(words) == 5:
                # The short forms of the first screen; the longer ones below train the same.
                continue
            code, output = visus(words)
            if command in NEED_A_CAMERA:
                assert code == 2 and "no screen" in output
                continue
            # The doctor's exit code tells the state of this machine.
            expected = (0, 1) if command == "visus doctor" else (0,)
            assert code in expected, f"{command}\n{output}"
            assert str(ROOT) not in output
    for block in readme_blocks("python"):
        done = subprocess.run(
            [sys.executable, "-c", block], env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0 and "cat" in done.stdout, done.stderr
    for made in (
        "named/cat.jpg",
        "why/cat.jpg",
        "answers.jsonl",
        "named.mp4",
        "model.onnx",
        "tracked/clip.mp4",
        "segmented/p0.png",
        "faces/portrait.jpg",
        "who.mp4",
        "edge/bundle.json",
        "told/cat.jpg",
    ):
        assert Path(made).stat().st_size > 0


def _save_portraits(image):
    """One portrait, and people who all look like it."""
    cv2.imwrite("portrait.jpg", image[..., ::-1])
    for person in range(12):
        for i in range(2):
            path = Path("people") / f"P{person}" / f"{i}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(path), image[: 300 - i, 80:380, ::-1] // (1 + person / 9))


def test_links_of_the_documentation_lead_somewhere():
    for page in (*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")):
        for link in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
            if "://" not in link:
                assert (page.parent / link).exists(), f"{page.name}: {link}"


def test_documented_arguments_exist():
    """Arguments that the pages name are those of the tasks and data modules."""
    import inspect

    from visus.datamodules.captioning.data import ImageCaptioningData
    from visus.datamodules.classification.data import ImageClassificationData
    from visus.datamodules.detection.data import ImageDetectionData
    from visus.datamodules.detection.scenes import ScenesDetectionData
    from visus.datamodules.face3d.data import FaceRendersData
    from visus.datamodules.face_recognition.data import PeopleData
    from visus.datamodules.segmentation.data import ImageSegmentationData
    from visus.tasks.captioning.task import CaptioningTask
    from visus.tasks.classification.task import ClassificationTask
    from visus.tasks.detection.task import DetectionTask
    from visus.tasks.face3d.task import Face3DTask
    from visus.tasks.face_recognition.task import FaceRecognitionTask
    from visus.tasks.segmentation.task import SegmentationTask

    text = "".join(p.read_text(encoding="utf-8") for p in (ROOT / "docs").glob("*.md"))
    homes = {
        "model": (
            CaptioningTask,
            ClassificationTask,
            DetectionTask,
            Face3DTask,
            FaceRecognitionTask,
            SegmentationTask,
        ),
        "data": (
            FaceRendersData,
            PeopleData,
            ImageCaptioningData,
            ImageClassificationData,
            ImageDetectionData,
            ImageSegmentationData,
            ScenesDetectionData,
        ),
    }
    for home, classes in homes.items():
        known = {name for c in classes for name in inspect.signature(c).parameters}
        named = set(re.findall(rf"--{home}\.(\w+)", text)) - {"help"}
        assert named and named <= known
