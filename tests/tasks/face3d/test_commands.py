"""3D faces through the command line: photographs, meshes, the face model's import."""

import http.server
import json
import os
import threading
from pathlib import Path

import numpy as np
import pytest
import skimage.data
import trimesh
from PIL import Image

from tests.conftest import newest_figures
from tests.datamodules.face3d.test_photographs import save_photographs
from visus.apps.inference.loading import load_model
from visus.models.face3d import face_models
from visus.models.face3d.face_model_files import read_face_model
from visus.models.face3d.procedural_head import procedural_head
from visus.tasks.face3d.mesh_files import face_texture, write_mesh
from visus.tasks.face3d.pipeline import Face3DModel
from visus.vision.errors import VisusError

TINY = [
    *("--model.backbone", "convnet", "--model.pretrained", "false"),
    *(
        "--data.face_model",
        "procedural",
        "--data.components",
        "4",
        "--data.expressions",
        "[jawOpen]",
    ),
    *("--data.count", "32", "--data.batch_size", "8", "--data.image_size", "[64,64]"),
    *("--data.num_workers", "0", "--trainer.max_epochs", "1", "--model.learning_rate", "1e-5"),
]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The run folder of a network that has hardly learnt anything: it says the mean face."""
    from visus.apps.cli import main

    folder = tmp_path_factory.mktemp("face3d")
    before = os.getcwd()
    os.chdir(folder)
    os.environ.pop("VISUS_RUN_FOLDER", None)
    try:
        assert main(["fit", "--config", "face3d/synthetic", *TINY]) == 0
        return next(folder.glob("runs/*/*/*"))
    finally:
        os.chdir(before)


@pytest.fixture(scope="module")
def found(run):
    """A photograph of one face, and what is found in it."""
    image = skimage.data.astronaut()[:256, 96:352]
    model = load_model(str(run))
    assert isinstance(model, Face3DModel)
    return image, model.predict(image)


def test_a_face_is_placed_on_its_photograph(found):
    _, prediction = found
    assert len(prediction) >= 1
    eyes = prediction.found.landmarks[0][:2]
    marks = prediction.landmarks68(0)
    guessed = np.stack([marks[36:42].mean(0), marks[42:48].mean(0)])
    # The mean face in a square around the five landmarks has its eyes about where they are.
    apart = np.linalg.norm(eyes[1] - eyes[0])
    assert np.linalg.norm(guessed - eyes, axis=1).max() < 0.5 * apart


@pytest.mark.parametrize("kind", ["glb", "obj", "ply"])
def test_meshes_read_back_as_they_were_written(found, tmp_path, kind):
    image, prediction = found
    path = tmp_path / "folder" / f"face.{kind}"
    write_mesh(path, image, prediction, 0)
    mesh = trimesh.load(path, process=False, force="mesh")
    head = procedural_head()
    assert mesh.faces.shape == head.triangles.shape
    factor = 0.01 if kind == "glb" else 1.0
    np.testing.assert_allclose(mesh.vertices, prediction.vertices[0] * factor, atol=1e-4)
    if kind == "ply":
        assert (mesh.faces == head.triangles).all()
        assert np.ptp(mesh.visual.vertex_colors[:, :3], axis=0).min() > 50
    else:
        texture_image = mesh.visual.material.baseColorTexture if kind == "glb" else (
            mesh.visual.material.image)  # fmt: skip
        assert np.asarray(texture_image).shape[:2] == (512, 512)
    if kind == "obj":
        assert {p.suffix for p in path.parent.iterdir()} == {".obj", ".mtl", ".png"}


def test_viewers_show_the_colours_of_the_texture(found, tmp_path):
    """Neither as metal, which is black without surroundings to mirror, nor darkened."""
    image, prediction = found
    write_mesh(tmp_path / "face.glb", image, prediction, 0)
    content = (tmp_path / "face.glb").read_bytes()
    described = json.loads(content[20 : 20 + int.from_bytes(content[12:16], "little")])
    surface = described["materials"][0]["pbrMetallicRoughness"]
    assert surface["metallicFactor"] == 0 and surface["roughnessFactor"] == 1
    assert surface.get("baseColorFactor", [1, 1, 1, 1]) == [1, 1, 1, 1]
    assert "NORMAL" in described["meshes"][0]["primitives"][0]["attributes"]
    write_mesh(tmp_path / "face.obj", image, prediction, 0)
    lines = (tmp_path / "face.mtl").read_text().splitlines()
    told = {line.split()[0]: line.split()[1:] for line in lines if line and line[0] != "#"}
    assert [float(value) for value in told["Kd"]] == [1, 1, 1]
    assert [float(value) for value in told["Ks"]] == [0, 0, 0]


def test_a_texture_shows_what_the_image_shows(found):
    image, prediction = found
    face = face_texture(image, prediction, 0)
    texture, marks = face.texture, prediction.landmarks
    columns, rows = (face.places[marks] * 511).T.astype(int)
    placed = prediction.landmarks68(0).astype(int)
    shown = image[placed[:, 1], placed[:, 0]].astype(int)
    # Inner landmarks are seen; the jaw's lie on the outline.
    away = np.abs(texture[rows, columns].astype(int) - shown).mean(1)[17:]
    assert np.median(away) < 25
    assert not (texture == 0).all(2).any()


def test_photographs_teach_beside_renders(run, visus, workplace):
    save_photographs(workplace / "photos")
    tiny = ("fit", "--config", "face3d/synthetic", *TINY, "--start", run)
    code, out, err = visus(*tiny, "--data.photographs", "photos")
    assert code == 0 and "blank.png: shows no face" in err, err
    figures = newest_figures()
    assert 0 < figures["val/five_point_error"] < 1 and figures["train/photographs"] > 0
    code, out, err = visus("test", "latest")
    assert code == 0 and "test/five_point_error" in out, err
    code, _, err = visus(*tiny, "--data.photographs", "nowhere")
    assert code == 2 and "data.photographs 'nowhere': there is no such folder" in err


def test_infer_writes_meshes_images_and_lines(run, visus, workplace):
    Image.fromarray(skimage.data.astronaut()[:256, 96:352]).save("a.png")
    Image.fromarray(np.full((80, 80, 3), 90, np.uint8)).save("blank.png")
    code, out, err = visus(
        *("infer", run, ".", "--jsonl", "o.jsonl", "--draw", "drawn"),
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
    code, _, err = visus("infer", run, "a.png", "--mesh", "meshes", "--mesh-format", "ply")
    assert code == 2 and "exists already" in err


def test_the_exported_folder_reconstructs_the_same_faces(run, visus, workplace, edge):
    Image.fromarray(skimage.data.astronaut()[:256, 96:352]).save("eileen.png")
    code, out, err = visus("export", str(run), "--output", "bundle")
    assert code == 0 and "vertices by" in out, err
    assert visus("infer", str(run), "eileen.png", "--mesh", "t", "--mesh-format", "ply")[0] == 0
    code, out, err = edge(Path("bundle"))("eileen.png", "--mesh", "e", "--mesh-format", "ply")
    assert code == 0 and "yaw" in out, err
    torch_mesh, edge_mesh = (
        trimesh.load(next(Path(folder).glob("*.ply")), process=False) for folder in "te"
    )
    assert np.abs(torch_mesh.vertices - edge_mesh.vertices).max() < 1e-3


def test_the_ready_made_network_says_what_it_needs(visus, workplace, monkeypatch):
    monkeypatch.setenv("VISUS_CACHE", str(workplace / "cache"))
    code, _, err = visus("infer", "face3d", "a.png")
    assert code == 2
    code, out, _ = visus("weights", "get", "face3d")
    assert code == 0 and "sha256 checked" in out
    code, out, _ = visus("weights", "list")
    assert "comes with visus, made by visus fit --config face3d/synthetic" in out
    Image.fromarray(skimage.data.astronaut()).save("a.png")
    code, _, err = visus("infer", "face3d", "a.png")
    assert code == 2 and "run visus weights get ict-facekit" in err


def test_half_a_face_is_a_problem_not_a_shape(run):
    image = skimage.data.astronaut()[:256, 96:352]
    whole = load_model(str(run)).predict(image)
    x1, _, x2, _ = whole.found.boxes[0].astype(int)
    half = load_model(str(run)).predict(np.ascontiguousarray(image[:, (x1 + x2) // 2 - 6 :]))
    assert all(half.found.problems) and len(half) == 0


def test_a_format_without_meshes_is_refused(visus):
    code, _, err = visus("infer", "face3d", "a.png", "--mesh-format", "ply")
    assert code == 2 and "give --mesh DIR too" in err


def test_other_models_give_no_meshes(visus, workplace):
    Image.fromarray(skimage.data.coffee()[:64, :64]).save("a.png")
    code, _, err = visus("infer", "imagenet", "a.png", "--mesh", "meshes")
    assert code == 2 and "--mesh is for 3D face models" in err


def test_two_processes_measure_as_one_does(same_by_two_processes, run):
    same_by_two_processes(run, "--data.count", "20", "--data.batch_size", "1")


def test_what_is_learnt_is_told(run):
    metrics = json.loads((run / "metrics.json").read_text())["metrics"]
    assert metrics["val/mean_face_vertex_error_mm"] > 0.5
    assert metrics["val/vertex_error_mm"] > 0


def write_facekit(folder):
    """A folder as ICT-FaceKit's, of a pyramid."""
    folder.mkdir()
    points = np.array([(-1, -1, 0), (1, -1, 0), (1, 1, 0), (-1, 1, 0), (0, 0, 2)], float)
    faces = (
        "usemtl M_Face\nf 1/1 2/2 5/3\nf 2 3 5\nf 3 4 5\nf 4 1 5\nusemtl M_EyeLashes\nf 1 2 3 4\n"
    )

    def save(name, vertices, more=""):
        rows = "".join(f"v {x:g} {y:g} {z:g}\n" for x, y, z in vertices)
        (folder / name).write_text(f"# a comment\n{rows}{more}")

    save("generic_neutral_mesh.obj", points, faces)
    save("identity000.obj", points * 1.5)
    save("jawOpen.obj", points + np.array([0, 0.5, 0]))
    facts = {"expressions": ["jawOpen"], "idx_to_landmark_verts": [4] * 68}
    (folder / "vertex_indices.json").write_text(json.dumps(facts))
    return points


@pytest.fixture
def facekit(workplace, monkeypatch):
    points = write_facekit(workplace / "kit")
    monkeypatch.setenv("VISUS_CACHE", str(workplace / "cache"))
    face_models.open_face_model.cache_clear()
    yield points
    face_models.open_face_model.cache_clear()


def expect(monkeypatch, folder, target):
    """Take the digest of what the folder gives for the right one."""
    from visus.models.face3d.face_model_import import import_ict_facekit

    import_ict_facekit(folder, target)
    model = read_face_model(target)
    monkeypatch.setattr(face_models, "ICT_DIGEST", model.digest)
    return model


def test_a_folder_is_imported_once(visus, workplace, facekit, monkeypatch):
    code, _, err = visus("weights", "get", "ict-facekit", "--from", "kit")
    assert code == 2 and "gives a face model of sha256" in err
    assert not (workplace / "cache").exists()
    model = expect(monkeypatch, workplace / "kit", workplace / "expected.npz")
    code, out, err = visus("weights", "get", "ict-facekit", "--from", "kit")
    assert code == 0, err
    assert "sha256 checked" in out
    opened = face_models.open_face_model("ict-facekit")
    assert opened.digest == model.digest
    np.testing.assert_allclose(opened.identity[0], facekit * 0.5)
    np.testing.assert_allclose(opened.expression[0], np.full((5, 1), 1) * (0, 0.5, 0))
    # The lashes stayed behind.
    assert len(opened.triangles) == 4 and opened.part_names == ("face",)
    assert "ict_facekit.npz" in visus("weights", "list")[1]


def test_the_folder_is_downloaded(visus, workplace, facekit, monkeypatch):
    expect(monkeypatch, workplace / "kit", workplace / "expected.npz")
    monkeypatch.setattr(face_models, "IDENTITIES", ("identity000.obj",))

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *arguments):
            super().__init__(*arguments, directory=str(workplace / "kit"))

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setattr(face_models, "ICT_URL", f"http://127.0.0.1:{server.server_port}")
    code, _, err = visus("weights", "get", "ict-facekit")
    assert code == 0, err
    (workplace / "kit" / "jawOpen.obj").unlink()
    (workplace / "cache" / "ict_facekit.npz").rename(workplace / "kept.npz")
    code, _, err = visus("weights", "get", "ict-facekit")
    server.shutdown()
    assert code == 2 and "jawOpen.obj could not be downloaded" in err and "--from" in err
    assert not list((workplace / "cache").iterdir())


@pytest.mark.parametrize(
    ("file", "text", "words"),
    [
        ("identity000.obj", "v 1 2 3\n", "has 1 vertices, generic_neutral_mesh.obj has 5"),
        ("identity000.obj", "v 1 x 3\n", "has a vertex that is no three numbers"),
        ("generic_neutral_mesh.obj", "usemtl M_Face\nf 1 2\n", "mesh.obj:2: is no face of three"),
        ("vertex_indices.json", "{}", "is not ICT-FaceKit's"),
        ("vertex_indices.json", '{"expressions": ["../a"], "idx_to_landmark_verts": []}',
         "is no name of a file"),
    ],
)  # fmt: skip
def test_bad_folders_are_refused(workplace, facekit, file, text, words):
    (workplace / "kit" / file).write_text(text)
    with pytest.raises(VisusError, match=words):
        face_models.fetch_face_model(workplace / "kit")


def test_figures_of_a_test_stand_beside_the_mean_faces(run, visus):
    assert visus("test", run)[0] == 0
    figures = newest_figures()
    for name in ("vertex_error_mm", "similarity_error_mm", "landmark_nme", "pose_error_deg"):
        assert {f"test/{name}", f"test/mean_face_{name}"} <= set(figures)
