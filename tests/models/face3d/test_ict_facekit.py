import http.server
import json
import threading

import numpy as np
import pytest

from visus.models.face3d import face_model_import
from visus.models.face3d.face_model_files import read_face_model
from visus.models.face3d.face_model_import import import_ict_facekit
from visus.models.face3d.face_models import open_face_model
from visus.models.face3d.ict_facekit import ICT_FACEKIT
from visus.vision.errors import VisusError


def write_facekit(folder):
    """A folder like ICT-FaceKit's, of a pyramid."""
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
    indices = {"expressions": ["jawOpen"], "idx_to_landmark_verts": [4] * 68}
    (folder / "vertex_indices.json").write_text(json.dumps(indices))
    return points


@pytest.fixture
def facekit(workplace, monkeypatch):
    points = write_facekit(workplace / "kit")
    monkeypatch.setenv("VISUS_CACHE", str(workplace / "cache"))
    open_face_model.cache_clear()
    yield points
    open_face_model.cache_clear()


def expect(monkeypatch, folder, target):
    """Let the entry expect the digest of the folder's model."""
    import_ict_facekit(folder, target)
    model = read_face_model(target)
    # Entries are frozen, and modules hold references to them.
    monkeypatch.setitem(vars(ICT_FACEKIT), "sha256", model.digest)
    return model


def test_a_folder_is_imported_once(visus, workplace, facekit, monkeypatch):
    assert "visus weights get ict-facekit" in visus("weights", "list")[1]
    code, _, err = visus("weights", "get", "ict-facekit", "--from", "kit")
    assert code == 2 and "gives a face model of sha256" in err
    assert not (workplace / "cache").exists()
    model = expect(monkeypatch, workplace / "kit", workplace / "expected.npz")
    code, out, err = visus("weights", "get", "ict-facekit", "--from", "kit")
    assert code == 0, err
    assert "sha256 checked" in out
    opened = open_face_model("ict-facekit")
    assert opened.digest == model.digest
    np.testing.assert_allclose(opened.identity[0], facekit * 0.5)
    np.testing.assert_allclose(opened.expression[0], np.full((5, 1), 1) * (0, 0.5, 0))
    # The lashes are left out.
    assert len(opened.triangles) == 4 and opened.part_names == ("face",)
    assert "ict_facekit.npz" in visus("weights", "list")[1]


def test_an_imported_model_is_checked(visus, workplace, facekit, monkeypatch):
    expect(monkeypatch, workplace / "kit", workplace / "cache" / "ict_facekit.npz")
    code, out, err = visus("weights", "get", "ict-facekit")
    assert code == 0 and "sha256 checked" in out, err
    monkeypatch.setitem(vars(ICT_FACEKIT), "sha256", "0" * 64)
    code, _, err = visus("weights", "get", "ict-facekit")
    assert code == 2 and f"expected {'0' * 64}; remove it" in err


def test_the_folder_is_downloaded(visus, workplace, facekit, monkeypatch):
    expect(monkeypatch, workplace / "kit", workplace / "expected.npz")
    monkeypatch.setattr(face_model_import, "IDENTITIES", ("identity000.obj",))

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *arguments):
            super().__init__(*arguments, directory=str(workplace / "kit"))

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setitem(vars(ICT_FACEKIT), "url", f"http://127.0.0.1:{server.server_port}")
    code, _, err = visus("weights", "get", "ict-facekit")
    assert code == 0, err
    (workplace / "kit" / "jawOpen.obj").unlink()
    (workplace / "cache" / "ict_facekit.npz").rename(workplace / "moved.npz")
    code, _, err = visus("weights", "get", "ict-facekit")
    server.shutdown()
    assert code == 2 and "jawOpen.obj could not be downloaded" in err and "--from" in err
    assert not list((workplace / "cache").iterdir())


@pytest.mark.parametrize(
    ("file", "text", "words"),
    [
        ("identity000.obj", "v 1 2 3\n", "has 1 vertices, generic_neutral_mesh.obj has 5"),
        ("identity000.obj", "v 1 x 3\n", "has a vertex without three numbers"),
        ("generic_neutral_mesh.obj", "usemtl M_Face\nf 1 2\n", "obj:2: is not a face of three"),
        ("vertex_indices.json", "{}", "is not ICT-FaceKit's"),
        ("vertex_indices.json", '{"expressions": ["../a"], "idx_to_landmark_verts": []}',
         "is not a file name"),
    ],
)  # fmt: skip
def test_bad_folders_are_refused(workplace, facekit, file, text, words):
    (workplace / "kit" / file).write_text(text)
    with pytest.raises(VisusError, match=words):
        ICT_FACEKIT.fetch(workplace / "kit")
