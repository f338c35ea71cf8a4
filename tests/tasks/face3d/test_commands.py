"""3D faces through the command line: photographs, meshes, exported folders."""

import json
from pathlib import Path

import numpy as np
import pytest
import skimage.data
import trimesh
from PIL import Image

from tests.conftest import newest_metrics
from tests.datamodules.face3d.test_photographs import save_photographs
from tests.reporting import check_report, shorten
from visus.apps.inference.loading import load_model

FIXTURES = Path(__file__).parents[2] / "fixtures" / "format1"


def test_a_face_is_located_in_its_photograph(prediction):
    _, faces = prediction
    assert len(faces) >= 1
    eyes = faces.faces.landmarks[0][:2]
    landmarks = faces.landmarks68(0)
    predicted = np.stack([landmarks[36:42].mean(0), landmarks[42:48].mean(0)])
    # The mean face in a square around the five landmarks has its eyes about where they are.
    distance = np.linalg.norm(eyes[1] - eyes[0])
    assert np.linalg.norm(predicted - eyes, axis=1).max() < 0.5 * distance


def test_photographs_are_trained_on_beside_renders(run, tiny, visus, workplace):
    save_photographs(workplace / "photos")
    arguments = (*tiny, "--init-from", run)
    code, out, err = visus(*arguments, "--data.photographs", "photos")
    assert code == 0 and "blank.png: shows no face" in err, err
    assert "5 coefficients of a face" in out
    values = newest_metrics()
    assert 0 < values["val/five_point_error"] < 1 and values["train/photographs"] > 0
    code, out, err = visus("test", "latest")
    assert code == 0 and "test/five_point_error" in out, err
    code, _, err = visus(*arguments, "--data.photographs", "nowhere")
    assert code == 2 and "data.photographs 'nowhere': there is no such folder" in err


def test_the_identity_of_a_person_is_compared_between_photographs(run, tiny, visus, workplace):
    save_photographs(workplace / "photos")
    options = ("--data.photographs", "photos", "--data.photographs_by_person", "true")
    code, _, err = visus(*tiny, "--init-from", run, *options)
    assert code == 0, err
    assert newest_metrics()["train/people"] > 0


def test_weights_of_losses_are_given_by_name(tiny, visus, workplace):
    code, _, err = visus(*tiny, "--model.loss_weights", "{numbers: 1}")
    assert code == 2 and "model.loss_weights 'numbers': there is no such loss" in err, err
    code, _, err = visus(*tiny, "--model.loss_weights.pose", "5", "--trainer.max_steps", "1")
    assert code == 0, err
    config = next(workplace.glob("runs/face3d/*/*/config.yaml")).read_text()
    assert "pose: 5.0" in config


def test_predict_writes_meshes_images_and_lines(run, visus, workplace):
    Image.fromarray(skimage.data.astronaut()[:256, 96:352]).save("a.png")
    Image.fromarray(np.full((80, 80, 3), 90, np.uint8)).save("blank.png")
    code, out, err = visus(
        *("predict", run, ".", "--jsonl", "o.jsonl", "--draw", "drawn"),
        *("--mesh", "meshes", "--mesh-format", "ply"),
    )
    assert code == 0, err
    assert "yaw" in out and "blank.png: no face" in out
    lines = [json.loads(line) for line in (workplace / "o.jsonl").read_text().splitlines()]
    assert lines[0]["task"] == "face3d" and lines[1]["faces"] == []
    assert len(lines[0]["faces"][0]["landmarks68"]) == 68
    assert (workplace / "meshes" / "a-face0.ply").is_file()
    plain, drawn = (np.asarray(Image.open(p)).astype(int) for p in ("a.png", "drawn/a.jpg"))
    assert np.abs(plain - drawn).mean() > 2
    code, _, err = visus("predict", run, "a.png", "--mesh", "meshes", "--mesh-format", "ply")
    assert code == 2 and "exists already" in err


def test_the_exported_folder_reconstructs_the_same_faces(run, visus, workplace, edge):
    Image.fromarray(skimage.data.astronaut()[:256, 96:352]).save("eileen.png")
    code, out, err = visus("export", str(run), "--output", "bundle")
    assert code == 0 and "outputs differ from torch's by" in out, err
    assert visus("predict", str(run), "eileen.png", "--mesh", "t", "--mesh-format", "ply")[0] == 0
    code, out, err = edge(Path("bundle"))("eileen.png", "--mesh", "e", "--mesh-format", "ply")
    assert code == 0 and "yaw" in out, err
    torch_mesh, edge_mesh = (
        trimesh.load(next(Path(folder).glob("*.ply")), process=False) for folder in "te"
    )
    assert np.abs(torch_mesh.vertices - edge_mesh.vertices).max() < 1e-3


def test_the_shipped_network_names_the_face_model_that_it_needs(visus, workplace, monkeypatch):
    monkeypatch.setenv("VISUS_CACHE", str(workplace / "cache"))
    code, _, err = visus("predict", "face3d", "a.png")
    assert code == 2
    code, out, _ = visus("weights", "get", "face3d")
    assert code == 0 and "sha256 checked" in out
    code, out, _ = visus("weights", "list")
    assert "comes with visus, made by visus fit --config face3d/synthetic" in out
    needed = "ict-facekit is missing; visus weights get ict-facekit"
    own = out[out.index("face3d-ict") :]
    assert needed in own[: own.index("\nict-facekit")]
    _, out, _ = visus("doctor")
    (line,) = (line for line in out.splitlines() if line.startswith("  face3d-ict "))
    assert needed in line and "available" not in line
    Image.fromarray(skimage.data.astronaut()).save("a.png")
    code, _, err = visus("predict", "face3d", "a.png")
    assert code == 2 and "model 'face3d' needs 'ict-facekit', which is not on this machine" in err
    assert err.endswith("run visus weights get ict-facekit\n")
    code, _, err = visus("fit", "--config", "face3d/synthetic")
    assert code == 2 and "a training takes --data.face_model procedural in its place" in err


def test_checkpoints_of_format_1_predict_the_same_faces():
    image = np.ascontiguousarray(skimage.data.astronaut()[:300, 80:380])
    expected = json.loads((FIXTURES / "expected.json").read_text())["face3d"]
    found = load_model(str(FIXTURES / "face3d.ckpt")).predict(image).to_json()
    assert [face.keys() for face in found["faces"]] == [face.keys() for face in expected["faces"]]
    for face, true in zip(found["faces"], expected["faces"], strict=True):
        np.testing.assert_allclose(face["landmarks68"], true["landmarks68"], atol=0.02)
        assert face["pose"] == pytest.approx(true["pose"], abs=0.02)
        assert face["expression"] == pytest.approx(true["expression"], abs=0.002)


def test_checkpoints_of_format_1_are_measured(visus):
    code, out, err = visus("test", FIXTURES / "face3d.ckpt")
    assert code == 0 and "jawOpen" in out, err
    assert newest_metrics()["test/mean_face_vertex_error_mm"] > 0.5


def test_half_a_face_has_a_problem_and_no_shape(run):
    image = skimage.data.astronaut()[:256, 96:352]
    model = load_model(str(run))
    x1, _, x2, _ = model.predict(image).faces.boxes[0].astype(int)
    half = model.predict(np.ascontiguousarray(image[:, (x1 + x2) // 2 - 6 :]))
    assert all(half.faces.problems) and len(half) == 0


def test_a_mesh_format_without_meshes_is_refused(run, visus, workplace):
    Image.fromarray(skimage.data.astronaut()[:256, 96:352]).save("a.png")
    code, _, err = visus("predict", run, "a.png", "--mesh-format", "ply")
    assert code == 2 and "give --mesh DIR too" in err


def test_other_models_write_no_meshes(visus, workplace):
    Image.fromarray(skimage.data.coffee()[:64, :64]).save("a.png")
    code, _, err = visus("predict", "imagenet", "a.png", "--mesh", "meshes")
    assert code == 2 and "--mesh belongs to face3d" in err


def test_two_processes_measure_as_one_does(same_by_two_processes, run):
    same_by_two_processes(run, "--data.count", "20", "--data.batch_size", "1")


def test_metrics_of_the_run_include_the_mean_face(run):
    metrics = json.loads((run / "metrics.json").read_text())["metrics"]
    assert metrics["val/mean_face_vertex_error_mm"] > 0.5
    assert metrics["val/vertex_error_mm"] > 0


def test_test_metrics_stand_beside_those_of_the_mean_face(run, visus, workplace):
    assert visus("test", run)[0] == 0
    values = newest_metrics()
    for name in ("vertex_error_mm", "similarity_error_mm", "landmark_nme", "pose_error_deg"):
        assert {f"test/{name}", f"test/mean_face_{name}"} <= set(values)
    (page,) = workplace.glob("runs/face3d/*/*/examples.jpg")
    # Eight test images and their meshes, in rows of four.
    assert np.asarray(Image.open(page)).shape[1] == 4 * 256


def test_a_report_explains_landmarks(run, visus, workplace, monkeypatch):
    shorten(monkeypatch)
    numbers, page = check_report(visus, run)
    assert set(numbers["quality"]["metrics"]) >= {"vertex_error_mm", "pose_error_deg"}
    maps = numbers["explanations"]["explained"][0]["maps"]
    assert maps == ["occlusion: nose", "occlusion: eyes", "occlusion: mouth"]
    assert "is not attacked" in page
