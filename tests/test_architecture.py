import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
MAY_IMPORT = {
    "vision": set(),
    "models": {"vision"},
    "datamodules": {"vision", "models"},
    "tasks": {"vision", "models"},
    "configs": {"vision"},
    "apps": {"vision", "models", "datamodules", "tasks", "configs"},
}


def imports(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module.split(".")[0]


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_imports_point_one_way(package):
    files = list((ROOT / package).rglob("*.py"))
    assert files
    for path in files:
        strangers = (set(imports(path)) & set(MAY_IMPORT)) - MAY_IMPORT[package] - {package}
        assert not strangers, f"{path} imports {strangers}"


def test_vision_needs_nothing_heavy():
    heavy = {"torch", "torchvision", "timm", "pytorch_lightning", "albumentations"}
    for path in (ROOT / "vision").rglob("*.py"):
        assert not heavy & set(imports(path)), path


@pytest.mark.parametrize("path", [p for p in ROOT.glob("*/**/*.py") if ".venv" not in p.parts])
def test_files_say_what_they_are_for_and_stay_short(path):
    if path.relative_to(ROOT).parts[0] not in MAY_IMPORT:
        return
    text = path.read_text(encoding="utf-8")
    assert ast.get_docstring(ast.parse(text)), path
    assert len(text.splitlines()) <= 320, path


@pytest.mark.parametrize(
    "code",
    [
        "import visus, tasks, datamodules, visus.apps.cli",
        "from visus.apps.cli import main; assert main(['--help']) == 0",
        "from visus.apps.cli import main; assert main(['infer', '--wrong']) == 2",
        "from visus.apps.cli import main; assert main(['weights', 'list']) == 0",
    ],
)
def test_nothing_heavy_is_imported_before_it_is_needed(code, tmp_path):
    check = "import sys; assert 'torch' not in sys.modules and 'cv2' not in sys.modules"
    subprocess.run([sys.executable, "-c", f"{code}; {check}"], check=True, cwd=tmp_path)


def test_it_runs_beside_a_users_own_tasks_py(tmp_path):
    (tmp_path / "visus.tasks.py").write_text("raise RuntimeError('the wrong tasks')")
    script = Path(sys.executable).with_name("visus")
    arguments = ["fit", "--config", "classification/digits", "--print_config"]
    ran = subprocess.run([script, *arguments], cwd=tmp_path, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    assert "visus.tasks.classification.task.ClassificationTask" in ran.stdout
