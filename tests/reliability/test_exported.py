"""Exported files: one altered bit is refused, and weights that are not finite are not written."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from skimage.data import astronaut

from tests.reliability.counts import SOAK, count
from visus.apps.export import EXPORTERS, ExportJob
from visus.apps.inference.loading import load_model
from visus.tasks.checkpoints import load_task
from visus.vision.errors import VisusError

FIXTURES = Path(__file__).parent.parent / "fixtures" / "format1"
IMAGE = np.ascontiguousarray(astronaut()[:300, 80:380])
KINDS = ("fp32.onnx", "int8.onnx", "m.pte", "folder")
EXPORTED = KINDS if SOAK else KINDS[-1:]
"""The folder has files of two exporters; the others take long to write."""


def job_for(name, folder):
    task = "classification" if Path(name).suffix else "face_recognition"
    model = load_task(FIXTURES / f"{task}.ckpt")
    job = ExportJob(task, model, folder / name)
    if name.startswith("int8"):
        height, width = model.image_size
        rng = np.random.default_rng(0)
        inputs = rng.integers(0, 255, (2, 1, model.in_channels, height, width), np.uint8)
        job = replace(job, precision="int8", calibration=list(inputs))
    return job


def export(job):
    (exporter,) = (each for each in EXPORTERS if each.suffix == job.path.suffix)
    exporter.write(job)


@pytest.fixture(scope="module", params=EXPORTED)
def exported(request, tmp_path_factory):
    """An exported file or folder."""
    job = job_for(request.param, tmp_path_factory.mktemp("exported"))
    export(job)
    return job.path


def predicted(path):
    return load_model(str(path)).predict(IMAGE).to_json()


def stored_files(path):
    """The files that hold the model; the program of a folder is code, as are its packages."""
    return [path] if path.is_file() else sorted([*path.glob("*.onnx"), path / "bundle.json"])


def test_one_altered_bit_is_refused_by_the_files_name(exported, visus):
    expected = predicted(exported)
    rng = np.random.default_rng(1)
    files = stored_files(exported)
    refused = 0
    for i in range(count(8, 40)):
        file = files[i % len(files)]
        intact = file.read_bytes()
        altered = bytearray(intact)
        altered[rng.integers(len(altered))] ^= 1 << int(rng.integers(8))
        # Not in place: a runtime may still have the file mapped.
        Path("altered").write_bytes(altered)
        shutil.move("altered", file)
        try:
            assert predicted(exported) == expected
        except VisusError as error:
            assert str(error).startswith(f"{file}: ")
            refused += 1
        Path("intact").write_bytes(intact)
        shutil.move("intact", file)
    print(f"{exported.name}: {refused} of {i + 1} refused")
    # A file without the 13 bytes that mark the digest is one of an earlier version.
    assert refused >= 0.9 * i
    assert predicted(exported) == expected


def test_an_altered_file_is_one_line_for_the_user(exported, visus):
    file = stored_files(exported)[0]
    copy = Path("copy") / exported.name
    if exported.is_dir():
        shutil.copytree(exported, copy)
    else:
        copy.parent.mkdir()
        shutil.copy(exported, copy)
    target = copy / file.name if exported.is_dir() else copy
    with target.open("r+b") as stream:
        stream.seek(file.stat().st_size // 2)
        byte = stream.read(1)[0]
        stream.seek(-1, 1)
        stream.write(bytes([byte ^ 1]))
    Image.fromarray(IMAGE).save("a.png")
    code, out, err = visus("predict", copy, "a.png")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert f"{target}: cannot be loaded (it differs" in err


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_not_exported(name, bad, workplace):
    job = job_for(name, workplace)
    key, tensor = next((k, v) for k, v in job.task.state_dict().items() if v.ndim > 1)
    with torch.no_grad():
        tensor[(0,) * tensor.ndim] = bad
    with pytest.raises(VisusError, match=f"not exported, the weights {key} are not finite"):
        export(job)
    assert not [path for path in workplace.rglob("*") if path.is_file()]
