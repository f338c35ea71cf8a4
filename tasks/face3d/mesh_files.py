"""Meshes of faces as files: textured GLB and OBJ, and PLY in the face model's own units."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
import trimesh
from numpy.typing import NDArray
from PIL import Image

from visus.models.face3d.renderer import interpolate, rasterise, surface_normals
from visus.tasks.face3d.mesh_holes import close_holes
from visus.tasks.face3d.prediction import Face3DPrediction
from visus.vision.errors import VisusError
from visus.vision.frames import Frame
from visus.vision.images import Pixels, visible
from visus.vision.output_files import OutputNames
from visus.vision.prediction import Prediction

MeshFormat = Literal["glb", "obj", "ply"]

_TEXTURE = 512
"""The texture's side in pixels."""

_FACING = 0.25
"""A place of the face is taken from the image where its normal points so far to the viewer."""

_DEEPER = 1.5
"""How many pixels a place may lie behind what is seen there, and still count as seen."""


class MeshFiles:
    """Writes a file for each face of each image, and of each frame of a video.

    Args:
        folder: Where to.
        kind: `glb`, `obj` (with its material and texture beside it) or `ply`.
    """

    def __init__(self, folder: Path, kind: MeshFormat) -> None:
        self.names = OutputNames(folder)
        self.kind = kind

    def __call__(self, frame: Frame, prediction: Prediction) -> None:
        """Write those of one image.

        Raises:
            VisusError: If the prediction is none of faces in space, or a file cannot be written.
        """
        if not isinstance(prediction, Face3DPrediction):
            raise VisusError("--mesh is for 3D face models; this model gives no meshes")
        for i in range(len(prediction)):
            number = "" if frame.index is None else f"-{frame.index:06d}"
            path = self.names.name(frame.source, f"{number}-face{i}.{self.kind}")
            if path.exists():
                raise VisusError(
                    f"--mesh {path}: exists already; name another folder, or remove it"
                )
            write_mesh(path, visible(frame.image), prediction, i)


def write_mesh(path: Path, image: Pixels, prediction: Face3DPrediction, i: int) -> None:
    """Write one face; the file's ending names the format.

    Args:
        path: `.glb` (textured, in metres), `.obj` (with `.mtl` and `.png` beside it) or `.ply`
            (a colour for each vertex, the face model's own vertices, order and units).
        image: The image that the face was found in, uint8 RGB.
        prediction: Its faces.
        i: Which of them.

    Raises:
        VisusError: If it cannot be written.
    """
    face = face_texture(image, prediction, i)
    vertices = prediction.vertices[i].astype(np.float64)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".ply":
            columns, rows = (face.places * (_TEXTURE - 1)).T.astype(int)
            colours = face.texture[rows, columns]
            mesh = trimesh.Trimesh(
                vertices, prediction.triangles, vertex_colors=colours, process=False
            )
            mesh.export(path)
            return
        # Files count a texture's rows from the bottom.
        uv = np.stack([face.places[:, 0], 1 - face.places[:, 1]], axis=1)
        metres = prediction.millimetres / 1000 if path.suffix == ".glb" else 1.0
        material = _material(path, Image.fromarray(face.texture))
        visual = trimesh.visual.TextureVisuals(uv=uv, material=material)
        mesh = trimesh.Trimesh(vertices * metres, face.triangles, visual=visual, process=False)
        if path.suffix == ".glb":
            mesh.export(path, include_normals=True)
        else:
            _write_obj(path, mesh)
    except OSError as error:
        raise VisusError(f"{path}: cannot be written ({error.strerror})") from None


def _material(path: Path, texture: Image.Image) -> trimesh.visual.material.Material:
    """Skin as the texture shows it: what formats and trimesh take by default is dark metal."""
    if path.suffix == ".glb":
        return trimesh.visual.material.PBRMaterial(
            baseColorTexture=texture, metallicFactor=0.0, roughnessFactor=1.0
        )
    return trimesh.visual.material.SimpleMaterial(
        image=texture,
        name=path.stem.replace(" ", "_"),
        ambient=[255, 255, 255, 255],
        diffuse=[255, 255, 255, 255],
        specular=[0, 0, 0, 255],
    )


def _write_obj(path: Path, mesh: trimesh.Trimesh) -> None:
    """The mesh, its material and its texture, all under one stem so that several can lie beside."""
    text, extra = trimesh.exchange.obj.export_obj(
        mesh, return_texture=True, mtl_name=f"{path.stem}.mtl"
    )
    path.write_text(text, encoding="utf-8")
    for file, content in extra.items():
        (path.parent / file).write_bytes(content)


@dataclass(frozen=True, eq=False)
class FaceTexture:
    """What an image shows of a face, unrolled.

    Attributes:
        texture: uint8 RGB of shape (side, side, 3).
        places: float32 (vertices, 2): where each vertex lies in it, (column, row) from 0 to 1.
        triangles: int32 (triangles, 3): those of the face, and others across its eyes and mouth.
    """

    texture: Pixels
    places: NDArray[np.float32]
    triangles: NDArray[np.int32]


def face_texture(image: Pixels, prediction: Face3DPrediction, i: int) -> FaceTexture:
    """Colours from an image; what it does not show is mirrored from what it does.

    Args:
        image: The image, uint8 RGB.
        prediction: Its faces.
        i: Which of them.
    """
    unrolled, places = _unroll(prediction.vertices[i])
    triangles = close_holes(prediction.vertices[i], prediction.triangles)
    raster = rasterise(unrolled[None], triangles, (_TEXTURE, _TEXTURE))
    placed = prediction.in_image(i)
    height, width = image.shape[:2]
    # Where in the image each place of the texture is, and whether it is seen there.
    where = interpolate(raster, triangles, placed[None])[0]
    seen = rasterise(placed[None], triangles, (height, width))
    columns = np.clip(where[..., 0].astype(int), 0, width - 1)
    rows = np.clip(where[..., 1].astype(int), 0, height - 1)
    inside = (where[..., 0] >= 0) & (where[..., 0] < width)
    inside &= (where[..., 1] >= 0) & (where[..., 1] < height)
    facing = surface_normals(raster, triangles, placed[None])[0, ..., 2] > _FACING
    shown = raster.covered[0] & inside & facing
    shown &= where[..., 2] >= seen.depth[0][rows, columns] - _DEEPER
    colours = np.asarray(
        cv2.remap(
            image,
            (where[..., 0] - 0.5).astype(np.float32),
            (where[..., 1] - 0.5).astype(np.float32),
            cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REPLICATE,
        ),
        np.uint8,
    )
    mirrored = shown[:, ::-1] & ~shown
    colours = np.where(mirrored[..., None], colours[:, ::-1], colours)
    missing = ~(shown | mirrored)
    if missing.all():
        return FaceTexture(np.full_like(colours, 128), places, triangles)
    # What neither side shows takes the colours around it.
    filled = cv2.inpaint(
        np.ascontiguousarray(colours), missing.astype(np.uint8), 3, cv2.INPAINT_TELEA
    )
    return FaceTexture(np.asarray(filled, np.uint8), places, triangles)


def _unroll(vertices: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """A face as a map: the angle around the head to the right, the height upwards.

    Returns:
        Vertices in pixels of the texture, with how far out they lie as depth, and their places
        (column, row) from 0 to 1.
    """
    x, y, z = vertices.astype(np.float64).T
    axis = z.min()
    turn = np.arctan2(x, z - axis) / np.pi + 0.5
    height = (y.max() - y) / np.ptp(y)
    places = np.stack([np.clip(turn, 0, 1), height], axis=1).astype(np.float32)
    out = np.hypot(x, z - axis)
    unrolled = np.concatenate([places * _TEXTURE, out[:, None]], axis=1)
    return unrolled.astype(np.float32), places
