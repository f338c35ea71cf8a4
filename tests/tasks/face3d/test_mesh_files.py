import json

import cv2
import numpy as np
import pytest
import trimesh

from visus.models.face3d.procedural_head import procedural_head
from visus.models.face3d.renderer import rasterise
from visus.tasks.face3d.mesh_files import write_mesh
from visus.tasks.face3d.texture import face_texture


@pytest.mark.parametrize("kind", ["glb", "obj", "ply"])
def test_meshes_read_back_as_they_were_written(prediction, tmp_path, kind):
    image, faces = prediction
    path = tmp_path / "folder" / f"face.{kind}"
    write_mesh(path, image, faces, 0)
    mesh = trimesh.load(path, process=False, force="mesh")
    head = procedural_head()
    assert mesh.faces.shape == head.triangles.shape
    factor = 0.01 if kind == "glb" else 1.0
    np.testing.assert_allclose(mesh.vertices, faces.vertices[0] * factor, atol=1e-4)
    if kind == "ply":
        assert (mesh.faces == head.triangles).all()
        assert np.ptp(mesh.visual.vertex_colors[:, :3], axis=0).min() > 50
    else:
        material = mesh.visual.material
        texture = material.baseColorTexture if kind == "glb" else material.image
        assert np.asarray(texture).shape[:2] == (512, 512)
    if kind == "obj":
        assert {p.suffix for p in path.parent.iterdir()} == {".obj", ".mtl", ".png"}


def test_viewers_show_the_colours_of_the_texture(prediction, tmp_path):
    """Neither as metal, which is black without an environment to reflect, nor darkened."""
    image, faces = prediction
    write_mesh(tmp_path / "face.glb", image, faces, 0)
    content = (tmp_path / "face.glb").read_bytes()
    described = json.loads(content[20 : 20 + int.from_bytes(content[12:16], "little")])
    surface = described["materials"][0]["pbrMetallicRoughness"]
    assert surface["metallicFactor"] == 0 and surface["roughnessFactor"] == 1
    assert surface.get("baseColorFactor", [1, 1, 1, 1]) == [1, 1, 1, 1]
    assert "NORMAL" in described["meshes"][0]["primitives"][0]["attributes"]
    write_mesh(tmp_path / "face.obj", image, faces, 0)
    lines = (tmp_path / "face.mtl").read_text().splitlines()
    values = {line.split()[0]: line.split()[1:] for line in lines if line and line[0] != "#"}
    assert [float(value) for value in values["Kd"]] == [1, 1, 1]
    assert [float(value) for value in values["Ks"]] == [0, 0, 0]


def test_the_texture_has_the_colours_of_the_image(prediction):
    image, faces = prediction
    face = face_texture(image, faces, 0)
    texture, landmarks = face.texture, faces.landmarks
    columns, rows = (face.coordinates[landmarks] * 511).T.astype(int)
    in_image = faces.landmarks68(0).astype(int)
    expected = image[in_image[:, 1], in_image[:, 0]].astype(int)
    # Inner landmarks are visible; those of the jaw lie on the outline.
    difference = np.abs(texture[rows, columns].astype(int) - expected).mean(1)[17:]
    assert np.median(difference) < 25
    assert not (texture == 0).all(2).any()


def test_the_texture_has_no_colours_of_what_is_around_the_face(prediction):
    """The predicted outline is never exact: its pixels belong to hair or the background."""
    image, faces = prediction
    surface = rasterise(faces.in_image(0)[None], faces.triangles, image.shape[:2])
    width = np.ptp(faces.landmarks68(0)[:, 0])
    rim = 2 * round(0.02 * float(width)) + 1
    inner = cv2.erode(surface.covered[0].astype(np.uint8), np.ones((rim, rim), np.uint8))
    skin = np.array([200, 160, 140], np.uint8)
    texture = face_texture(np.where(inner[..., None] == 1, skin, 0).astype(np.uint8), faces, 0)
    difference = np.abs(texture.texture.astype(int) - skin).max(2)
    assert difference.max() <= 2, f"{(difference > 2).mean():.1%} of the texture has other colours"
