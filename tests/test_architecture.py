"""The rules of docs/architecture.md, read off the code."""

import ast
import re
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
FILES = sorted(path for package in MAY_IMPORT for path in (ROOT / package).rglob("*.py"))
# The folders in it are links to the packages.
FILES += sorted((ROOT / "visus").glob("*.py"))
TASKS = sorted(path.parent.name for path in (ROOT / "tasks").glob("*/spec.py"))
TORCH_FREE = ("spec.py", "prediction.py", "draw.py", "metrics.py")
HEAVY = {"torch", "torchvision", "timm", "pytorch_lightning", "albumentations", "torchmetrics"}


def imported(path, types=True):
    """Modules that a file imports, local imports included, by full name.

    Without `types` those that only type checkers see are left out.
    """
    tree = ast.parse(path.read_text(encoding="utf-8"))
    unseen = {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test) and not types
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if node in unseen:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def at_run_time(path):
    """Modules that a file imports when it is imported: not inside functions or TYPE_CHECKING."""
    pending = list(ast.parse(path.read_text(encoding="utf-8")).body)
    while pending:
        node = pending.pop()
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
        elif isinstance(node, ast.If) and "TYPE_CHECKING" not in ast.dump(node.test):
            pending += node.body + node.orelse
        elif isinstance(node, ast.Try | ast.With | ast.ClassDef):
            pending += node.body


def name_of(path):
    return "visus." + ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(
        ".__init__"
    )


def ours(path):
    """Files of visus that a file imports when it runs."""
    names = {name_of(other): other for other in FILES}
    return {names[module] for module in imported(path, types=False) if module in names} - {path}


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_imports_point_one_way(package):
    for path in (ROOT / package).rglob("*.py"):
        used = {m.split(".")[1] for m in imported(path) if m.startswith("visus.")}
        strangers = (used & set(MAY_IMPORT)) - MAY_IMPORT[package] - {package}
        assert not strangers, f"{path} imports {strangers}"
        tops = {module.split(".")[0] for module in imported(path)}
        assert not tops & set(MAY_IMPORT), f"{path} imports {tops & set(MAY_IMPORT)} without visus."


@pytest.mark.parametrize("package", ["tasks", "datamodules"])
def test_tasks_do_not_import_each_other(package):
    for path in (ROOT / package).rglob("*.py"):
        own = path.relative_to(ROOT / package).parts[0]
        for module in imported(path):
            parts = module.split(".")
            if parts[:2] == ["visus", package] and len(parts) > 2 and parts[2] in TASKS:
                # What several tasks need, and the demonstration, may name one.
                allowed = own == parts[2] or path.name in ("registry.py", "demo.py")
                assert allowed, f"{path} imports {module}"


def test_no_files_import_each_other():
    graph = {path: ours(path) for path in FILES if path.name != "__init__.py"}
    done: set[Path] = set()

    def visit(path, way):
        assert path not in way, " -> ".join(map(name_of, [*way[way.index(path) :], path]))
        if path in done or path not in graph:
            return
        for other in graph[path]:
            visit(other, [*way, path])
        done.add(path)

    for path in graph:
        visit(path, [])


def test_torch_stays_out_of_where_it_is_not_needed():
    paths = [p for p in FILES if "vision" in p.relative_to(ROOT).parts[:1]]
    paths += [p for p in (ROOT / "tasks").glob("*/*.py") if p.name in TORCH_FREE]
    for path in paths:
        tops = {module.split(".")[0] for module in imported(path)}
        found = HEAVY & tops
        # A spec and a prediction may name a heavy type, and import it when it is asked for.
        if path.name == "spec.py":
            found = HEAVY & {module.split(".")[0] for module in at_run_time(path)}
        assert not found, f"{path} imports {found}"


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_files_name_their_responsibility_and_stay_short(path):
    text = path.read_text(encoding="utf-8")
    assert ast.get_docstring(ast.parse(text)), path
    assert len(text.splitlines()) < 300, path


def test_applications_name_no_task():
    for path in (ROOT / "apps").rglob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        docstrings = {
            node.body[0].value
            for node in ast.walk(tree)
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
            and node.body
            and isinstance(node.body[0], ast.Expr)
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                named = node.value.partition("/")[0] in TASKS and node not in docstrings
                assert not named, f"{path}:{node.lineno} names the task {node.value!r}"
        for module in imported(path):
            parts = module.split(".")
            assert not (parts[:2] == ["visus", "tasks"] and len(parts) > 2 and parts[2] in TASKS), (
                f"{path} imports {module}"
            )
            assert not (
                parts[:2] == ["visus", "datamodules"] and len(parts) > 2 and parts[2] in TASKS
            ), f"{path} imports {module}"


def test_constructors_are_documented_once():
    for path in FILES:
        text = path.read_text(encoding="utf-8")
        assert not re.search(r'^ +\w+: "$', text, re.M), f"{path} has ditto marks"
        lines = [line.strip() for line in text.splitlines()]
        for line in lines:
            if line.endswith("See `VisionTask`.") or "See `VisionTask`;" in line:
                assert line == "kwargs: See `VisionTask`.", f"{path}: {line}"


def test_the_diagram_of_the_imports_is_up_to_date():
    sys.path.insert(0, str(ROOT / "docs"))
    try:
        import draw_imports
    finally:
        sys.path.pop(0)
    assert draw_imports.draw() == draw_imports.DIAGRAM.read_text(encoding="utf-8"), (
        "run python docs/draw_imports.py"
    )


@pytest.mark.parametrize(
    "code",
    [
        "import visus, visus.tasks.registry, visus.datamodules.registry, visus.apps.cli",
        "import visus.tasks.registry as r; assert len(r.task_specs()) >= 6",
        "from visus.apps.cli import main; assert main(['--help']) == 0",
        "from visus.apps.cli import main; assert main(['predict', '--wrong']) == 2",
        "from visus.apps.cli import main; assert main(['live', 'x', '0', '--wrong']) == 2",
        "from visus.apps.cli import main; assert main(['predict', 'cat.jpg', 'imagenet']) == 2",
        "from visus.apps.cli import main; assert main(['serve', 'x', '--wrong']) == 2",
        "from visus.apps.cli import main; assert main(['export', 'x', '--wrong']) == 2",
        "from visus.apps.cli import main; assert main(['benchmark', 'x', '--wrong']) == 2",
        "from visus.apps.cli import main; assert main(['data', 'check', 'nowhere']) == 2",
        "from visus.apps.cli import main; assert main(['weights', 'list']) == 0",
    ],
)
def test_nothing_heavy_is_imported_before_it_is_needed(code, tmp_path):
    check = "import sys; assert 'torch' not in sys.modules and 'cv2' not in sys.modules"
    subprocess.run([sys.executable, "-c", f"{code}; {check}"], check=True, cwd=tmp_path)
