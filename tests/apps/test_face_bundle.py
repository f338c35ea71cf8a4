"""The exported face model, on a machine with its requirements alone."""

import os
import re
import shutil
import subprocess
import sys
from importlib.metadata import distribution
from pathlib import Path


def closure(requirements):
    """The distributions that these need, by name."""
    wanted, found = [*requirements], {}
    while wanted:
        name = re.split(r"[^\w.-]", wanted.pop())[0].replace(
            "opencv-python-headless", "opencv-python"
        )
        if name.lower() in found:
            continue
        found[name.lower()] = distribution(name)
        needs = found[name.lower()].requires or []
        wanted += [need for need in needs if "extra ==" not in need]
    return found.values()


def test_the_bundle_runs_with_its_requirements_alone(visus, pictures):
    code, out, err = visus("export", "faces", "--output", "bundle")
    assert code == 0, err
    assert "onnxruntime" in out and "embeddings by" in out
    requirements = Path("bundle/requirements-edge.txt").read_text().splitlines()
    assert not any(name in " ".join(requirements) for name in ("torch", "timm", "lightning"))
    site = pictures / "site"
    site.mkdir()
    for package in closure(line.partition("==")[0] for line in requirements):
        tops = {Path(str(file)).parts[0] for file in package.files or []}
        for top in tops - {"..", "bin", "__pycache__"}:
            source = Path(str(package.locate_file(top)))
            if source.exists() and not (site / top).exists():
                (site / top).symlink_to(source)
    assert not (site / "torch").exists()
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    environment["PYTHONPATH"] = str(site)
    # Away from where visus is installed, and without this environment's packages.
    run = [sys.executable, "-S", "-P", str(pictures / "bundle" / "run.py")]

    def edge(*arguments):
        done = subprocess.run(
            [*run, *map(str, arguments)], env=environment, capture_output=True, text=True
        )
        return done.returncode, done.stdout, done.stderr

    more = ["--gallery", "e.db", "--runtime", "onnxruntime"]
    code, out, err = edge("enroll", "--name", "Eileen", "--consent", "public", "a.png", *more)
    assert code == 0, err
    code, out, err = edge("identify", "lighter.png", *more)
    assert code == 0 and "lighter.png: Eileen " in out, err
    # The exported model's embeddings are those of the model itself.
    code, out, err = visus("faces", "identify", "a.png", "--gallery", "e.db")
    assert code == 0 and "Eileen 1.00" in out, err
    code, out, err = visus("infer", "bundle", "a.png")
    assert code == 0 and "a face" in out, err
    # Not in place: a runtime may still have the file mapped.
    shutil.copy("a.png", "damaged.onnx")
    Path("damaged.onnx").replace("bundle/output.onnx")
    code, _, err = visus("infer", "bundle", "a.png")
    assert code == 2 and "output.onnx: cannot be loaded" in err
    code, _, err = visus("export", "faces", "--output", "f.onnx")
    assert code == 2 and "name a folder" in err
    code, _, err = visus("export", "faces", "--output", ".")
    assert code == 2 and "holds other files" in err
