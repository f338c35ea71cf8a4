"""Exported pipelines, on a machine with their requirements alone."""

import shutil
from pathlib import Path

import numpy as np

from tests.conftest import save_scene
from visus.apps.export import bundle
from visus.apps.inference.loading import load_model


def test_the_bundle_runs_with_its_requirements_alone(visus, images, edge, monkeypatch):
    code, out, err = visus("export", "faces", "--output", "bundle")
    assert code == 0, err
    assert "onnxruntime: " in out and "ms from image to prediction, outputs differ" in out
    with monkeypatch.context() as patch:
        patch.setattr(
            bundle,
            "_network_outputs",
            lambda model, image: np.full(3, 1.0 if model.runtime == "torch" else np.nan),
        )
        reference, *others = bundle.measure_bundle(load_model("faces"), Path("bundle"))
    assert "differ from torch's by 0.0e+00" in reference
    assert others and all("differ from torch's by nan" in line for line in others)
    run = edge(Path("bundle"))
    more = ["--gallery", "e.db", "--runtime", "onnxruntime"]
    code, out, err = run("enroll", "--name", "Eileen", "--consent", "public", "a.png", *more)
    assert code == 0, err
    code, out, err = run("identify", "lighter.png", *more)
    assert code == 0 and "lighter.png: Eileen " in out, err
    # The exported model's embeddings are those of the model itself.
    code, out, err = visus("faces", "identify", "a.png", "--gallery", "e.db")
    assert code == 0 and "Eileen 1.00" in out, err
    code, out, err = visus("predict", "bundle", "a.png")
    assert code == 0 and "a face" in out, err
    # Not in place: a runtime may still have the file mapped.
    shutil.copy("a.png", "damaged.onnx")
    Path("damaged.onnx").replace("bundle/output.onnx")
    code, _, err = visus("predict", "bundle", "a.png")
    assert code == 2 and "output.onnx: cannot be loaded" in err
    code, _, err = visus("export", "faces", "--output", "f.onnx")
    assert code == 2 and "name a folder" in err
    assert visus("export", "faces", "--output", "f.pte")[0] == 2
    code, _, err = visus("export", "bundle", "--output", "again")
    assert code == 2 and "is exported already" in err
    code, _, err = visus("predict", "bundle/network.onnx", "a.png")
    assert code == 2 and "name the folder" in err
    code, _, err = visus("export", "faces", "--output", ".")
    assert code == 2 and "other files" in err


def test_the_network_of_a_bundle_computes_in_the_requested_precision(visus, images):
    code, _, err = visus("export", "faces", "--output", "exact", "--precision", "bf16")
    assert code == 0, err
    rounded = ("--output", "rounded", "--precision", "int8")
    code, _, err = visus("export", "faces", *rounded, "--calibration", ".")
    assert code == 0, err
    sizes = [Path(name, "network.onnx").stat().st_size for name in ("exact", "rounded")]
    assert sizes[1] < 0.7 * sizes[0]
    exact, int8 = (load_model(name, "onnxruntime") for name in ("exact", "rounded"))
    assert (exact.precision, int8.precision) == ("fp32", "int8")
    (same,) = exact.predict("a.png").embeddings @ int8.predict("a.png").embeddings.T
    assert 0.95 < same[0] < 0.99999
    save_scene(Path("none/scene.png"), 1)
    code, _, err = visus("export", "faces", *rounded, "--calibration", "none")
    assert code == 2 and "the model detects nothing in these images" in err
