"""Write meshes of faces: textured GLB and OBJ, and PLY in the face model's own units."""

import zlib
from pathlib import Path
from typing import Literal

import numpy as np
import trimesh
from PIL import Image

from visus.tasks.face3d.prediction import Face3DPrediction
from visus.tasks.face3d.texture import face_texture
from visus.vision.errors import VisusError
from visus.vision.frames import Frame
from visus.vision.images import Pixels, visible
from visus.vision.output_files import OutputNames, replacing
from visus.vision.prediction import Prediction

MeshFormat = Literal["glb", "obj", "ply"]


class MeshFiles:
    """Writes a file for each face of each image, and of each frame of a video.

    Args:
        folder: The folder of the files.
        format: `glb`, `obj` (with its material and texture beside it) or `ply`.
    """

    def __init__(self, folder: Path, format: MeshFormat) -> None:
        self.names = OutputNames(folder)
        self.format = format

    def __call__(self, frame: Frame, prediction: Prediction) -> None:
        """Write the faces of one image.

        Raises:
            VisusError: If a file exists or cannot be written.
        """
        assert isinstance(prediction, Face3DPrediction)
        for i in range(len(prediction)):
            path = self.names.name(frame.source, f"{frame.number}-face{i}.{self.format}")
            for file in _files(path):
                if file.exists():
                    raise VisusError(
                        f"--mesh {file}: exists already; name another folder, or remove it"
                    )
            write_mesh(path, visible(frame.image), prediction, i)


def write_mesh(path: Path, image: Pixels, prediction: Face3DPrediction, i: int) -> None:
    """Write one face; the file's suffix names the format.

    Args:
        path: `.glb` (textured, in metres), `.obj` (with `.mtl` and `.png` beside it) or `.ply`
            (a colour for each vertex, the face model's own vertices, order and units).
        image: The image of the prediction, uint8 RGB.
        prediction: The faces of the image.
        i: Index of the shape.

    Raises:
        VisusError: If it cannot be written.
    """
    face = face_texture(image, prediction, i)
    vertices = prediction.vertices[i].astype(np.float64)
    with replacing(path) as part:
        if path.suffix == ".ply":
            columns, rows = (face.coordinates * (len(face.texture) - 1)).T.astype(int)
            colours = face.texture[rows, columns]
            mesh = trimesh.Trimesh(
                vertices, prediction.triangles, vertex_colors=colours, process=False
            )
            mesh.export(part)
            return
        # Files count a texture's rows from the bottom.
        uv = np.stack([face.coordinates[:, 0], 1 - face.coordinates[:, 1]], axis=1)
        scale = prediction.millimetres / 1000 if path.suffix == ".glb" else 1.0
        texture = Image.fromarray(face.texture)
        # A quarter of the time of Pillow's default, for files that are a third larger.
        texture.encoderinfo = {"compress_level": 1}
        material = _material(path, texture)
        visual = trimesh.visual.TextureVisuals(uv=uv, material=material)
        mesh = trimesh.Trimesh(vertices * scale, face.triangles, visual=visual, process=False)
        if path.suffix == ".glb":
            mesh.export(part, include_normals=True)
        else:
            _write_obj(part, path, mesh)


def _files(path: Path) -> list[Path]:
    """All files of a mesh: its own, and the material and the texture of an `.obj`."""
    if path.suffix != ".obj":
        return [path]
    return [path, path.with_suffix(".mtl"), path.with_name(f"{_material_name(path)}.png")]


def _material_name(path: Path) -> str:
    """The name of an `.obj`'s material and texture, which many programs read without spaces."""
    name = path.stem.replace(" ", "_")
    # "my face" and "my_face" are two faces.
    return name if name == path.stem else f"{name}-{zlib.crc32(path.stem.encode()):08x}"


def _material(path: Path, texture: Image.Image) -> trimesh.visual.material.Material:
    """A matt material of the texture's colours; by default it would be dark metal."""
    if path.suffix == ".glb":
        return trimesh.visual.material.PBRMaterial(
            baseColorTexture=texture, metallicFactor=0.0, roughnessFactor=1.0
        )
    return trimesh.visual.material.SimpleMaterial(
        image=texture,
        name=_material_name(path),
        ambient=[255, 255, 255, 255],
        diffuse=[255, 255, 255, 255],
        specular=[0, 0, 0, 255],
    )


def _write_obj(part: Path, path: Path, mesh: trimesh.Trimesh) -> None:
    """The mesh, its material and its texture, all named after the path."""
    text, extra = trimesh.exchange.obj.export_obj(
        mesh, return_texture=True, mtl_name=f"{path.stem}.mtl"
    )
    part.write_text(text, encoding="utf-8")
    for file, content in extra.items():
        with replacing(path.parent / file) as other:
            other.write_bytes(content)
