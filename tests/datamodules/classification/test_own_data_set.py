import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import newest_metrics, save_scene
from visus.vision.scenes import SHAPES

OWN = '''
from visus.datamodules.classification.data import ImageClassificationData
from visus.datamodules.classification.files import Labels, Problem, Sample
from visus.vision.image_files import list_images


class NamedFilesData(ImageClassificationData):
    """Images in one folder, whose names start with their class: `circle_7.png`."""

    def read_labels(self) -> Labels:
        samples, problems = [], []
        for path in list_images(self.root):
            label, underscore, _ = path.stem.partition("_")
            if underscore:
                split = "validation" if "_v" in path.stem else "train"
                samples.append(Sample(path, (label,), split, place=str(path)))
            else:
                problems.append(Problem(str(path), "its name has no class; rename it", "error"))
        return Labels(samples, problems)
'''
FIT = (
    *("fit", "--config", "classification/custom", "--data", "own_names.NamedFilesData"),
    *("--data.root", "flat", "--model.backbone", "lenet5", "--model.pretrained", "false"),
    *("--data.image_size", "[32,32]", "--data.train_scale", "1", "--data.num_workers", "0"),
    *("--data.batch_size", "4", "--trainer.max_epochs", "1"),
)
CHECK = ("data", "check", "flat", "--data", "own_names.NamedFilesData")
IN_ONE_PROCESS = """
import json, sys
from visus.apps.cli import main
codes = [main([*command, "--allow-custom-classes"]) for command in json.loads(sys.argv[1])]
json.dump(codes, open("codes.json", "w"))
"""


def run_allowed(*commands):
    """Run commands with `--allow-custom-classes`, which a process that denied it once refuses."""
    script = [sys.executable, "-P", "-c", IN_ONE_PROCESS, json.dumps(commands)]
    done = subprocess.run(script, capture_output=True, text=True)
    return json.loads(Path("codes.json").read_text()), done.stdout + done.stderr


@pytest.fixture
def flat(workplace, monkeypatch):
    """Twelve images for training and four for validation of two classes, in one folder."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.delitem(sys.modules, "own_names", raising=False)
    Path("own_names.py").write_text(OWN)
    for shape in SHAPES[:2]:
        for i in range(6):
            save_scene(workplace / "flat" / f"{shape}_{i}.png", i, shape)
        for i in range(2):
            save_scene(workplace / "flat" / f"{shape}_v{i}.png", 50 + i, shape)
    return workplace / "flat"


@pytest.fixture
def damaged(flat):
    """With a truncated image, one without a class, a contradiction and a leak."""
    (flat / "circle_cut.png").write_bytes((flat / "circle_0.png").read_bytes()[:100])
    (flat / "nameless.png").write_bytes((flat / "circle_1.png").read_bytes())
    (flat / "cross_twin.png").write_bytes((flat / "circle_2.png").read_bytes())
    (flat / "circle_leak.png").write_bytes((flat / "circle_v0.png").read_bytes())
    return flat


def test_it_is_checked(visus, flat):
    code, out, err = visus(*CHECK)
    assert code == 0, err
    assert "16 readable images" in out and "no problems" in out
    for word in ("circle", "cross", "train", "val"):
        assert word in out


def test_the_documented_class_is_checked(visus, flat):
    text = (Path(__file__).parents[3] / "docs" / "classification.md").read_text(encoding="utf-8")
    (code,) = [b for b in re.findall(r"```python\n(.*?)```", text, re.S) if "NamedFilesData" in b]
    Path("own_names.py").write_text(code)
    code, out, err = visus(*CHECK)
    assert code == 0 and "16 readable images" in out, err


def test_every_problem_is_reported(visus, damaged):
    code, out, _ = visus(*CHECK)
    assert code == 2
    for name, words in (
        ("circle_cut.png", "truncated"),
        ("nameless.png", "its name has no class"),
        ("cross_twin.png", "under another label (circle and cross)"),
        ("circle_v0.png", "the metrics would be too good"),
    ):
        assert any(name in line and words in line for line in out.splitlines()), words


def test_it_is_trained_and_measured_with_bad_images_refused_or_left_out(visus, damaged):
    codes, printed = run_allowed(FIT, (*FIT, "--data.skip_bad", "true"), ("test", "latest"))
    assert codes == [2, 0, 0], printed
    assert "or leave these images or objects out with --data.skip_bad true" in printed
    # Truncated, without a class, both sides of the contradiction, and the leak.
    assert "5 bad samples left out" in printed
    assert len(list(Path("runs/classification/custom").iterdir())) == 2
    assert "test/accuracy" in newest_metrics()
    # The checkpoint names the data module, which needs the user's consent each time.
    code, _, err = visus("test", "latest")
    assert code == 2 and "--allow-custom-classes" in err


def test_an_unknown_split_is_a_problem(visus, flat):
    Path("own_names.py").write_text(OWN.replace('"validation"', '"evaluation"'))
    code, out, _ = visus(*CHECK)
    assert code == 2
    assert "circle_v0.png: unknown split 'evaluation'; use train" in out


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("def broken(:", "importing it failed"),
        ("class Other: pass", "no such class"),
        ("class NamedFilesData: pass", "extends no data module"),
        (
            "from visus.datamodules.classification.arrays import DigitsData as NamedFilesData",
            "cannot be created from a path alone",
        ),
    ],
)
def test_what_is_no_data_module_of_files_is_refused_in_a_line(visus, flat, content, words):
    Path("own_names.py").write_text(content)
    code, _, err = visus(*CHECK)
    assert code == 2
    assert words in err and "own_names.NamedFilesData" in err and len(err.splitlines()) == 1
