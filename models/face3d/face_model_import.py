"""Import ICT-FaceKit: convert a folder of OBJ files to one file of arrays."""

import json
import os
import tempfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from visus.models.face3d.face_model_files import read_face_model
from visus.vision.errors import VisusError
from visus.vision.progress import track

NEUTRAL = "generic_neutral_mesh.obj"
INDICES = "vertex_indices.json"
IDENTITIES = tuple(f"identity{i:03d}.obj" for i in range(100))


def import_ict_facekit(folder: Path, target: Path) -> None:
    """Read ICT-FaceKit's `FaceXModel` folder (Li et al. 2020) and write its arrays.

    Args:
        folder: With `generic_neutral_mesh.obj`, `identity000.obj` and following, one `.obj` for
            each expression, and `vertex_indices.json`.
        target: The `.npz` to write; an existing file is replaced only on success.

    Raises:
        VisusError: If a file is missing or damaged, or has another number of vertices.
    """
    expressions, landmarks = read_indices(folder / INDICES)
    neutral, quads, materials, names = _read_neutral(folder / NEUTRAL)
    identities = [name for name in IDENTITIES if (folder / name).is_file()]
    if not identities:
        raise VisusError(f"{folder / IDENTITIES[0]}: is missing; give the whole FaceXModel folder")
    identity = _displacements(folder, identities, neutral)
    expression = _displacements(folder, [f"{name}.obj" for name in expressions], neutral)
    target.parent.mkdir(parents=True, exist_ok=True)
    descriptor, part = tempfile.mkstemp(dir=target.parent, suffix=".npz")
    try:
        with os.fdopen(descriptor, "wb") as file:
            np.savez_compressed(
                file,
                neutral=neutral,
                identity=identity,
                expression=expression,
                expression_names=np.array(expressions),
                quads=quads,
                quad_part=materials,
                part_names=np.array(names),
                landmarks68=landmarks,
            )
        # Validates the arrays.
        read_face_model(Path(part), str(folder))
        Path(part).replace(target)
    finally:
        Path(part).unlink(missing_ok=True)


def read_indices(path: Path) -> tuple[list[str], NDArray[np.int32]]:
    """Names of the expressions, and the vertex indices of the 68 landmarks.

    Raises:
        VisusError: If the file cannot be read, or does not contain them.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        names = [str(name) for name in values["expressions"]]
        landmarks = np.array(values["idx_to_landmark_verts"], np.int32)
    except FileNotFoundError:
        raise VisusError(f"{path}: is missing; give the whole FaceXModel folder") from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise VisusError(f"{path}: is not ICT-FaceKit's ({error!r})") from None
    wrong = [name for name in names if Path(name).name != name]
    if wrong:
        raise VisusError(f"{path}: expression {wrong[0]!r} is not a file name")
    return names, landmarks


def _displacements(
    folder: Path, files: list[str], neutral: NDArray[np.float32]
) -> NDArray[np.float16]:
    """Differences of each file's vertices from the neutral ones."""
    displacements = np.empty((len(files), *neutral.shape), np.float16)
    for i, name in enumerate(track(files, "Reading shapes", len(files))):
        vertices = _vertices(folder / name)
        if vertices.shape != neutral.shape:
            raise VisusError(
                f"{folder / name}: has {len(vertices)} vertices, {NEUTRAL} has {len(neutral)}; "
                "take all files from one version"
            )
        displacements[i] = vertices - neutral
    return displacements


def _vertices(path: Path) -> NDArray[np.float32]:
    return _parse_vertices(path, (line for line in _lines(path) if line.startswith("v ")))


def _parse_vertices(path: Path, lines: Iterable[str]) -> NDArray[np.float32]:
    try:
        return np.array([line.split()[1:4] for line in lines], np.float32).reshape(-1, 3)
    except ValueError as error:
        raise VisusError(f"{path}: has a vertex without three numbers ({error})") from None


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        raise VisusError(f"{path}: is missing; give the whole FaceXModel folder") from None
    except (OSError, UnicodeDecodeError) as error:
        raise VisusError(f"{path}: cannot be read ({error})") from None


def _read_neutral(
    path: Path,
) -> tuple[NDArray[np.float32], NDArray[np.int32], NDArray[np.uint8], list[str]]:
    """Vertices, quads (a triangle repeats its last vertex), their materials, and the names."""
    lines = _lines(path)
    vertices = _parse_vertices(path, (line for line in lines if line.startswith("v ")))
    names: list[str] = []
    quads, materials = [], []
    for number, line in enumerate(lines, 1):
        if line.startswith("usemtl "):
            name = line.split(maxsplit=1)[1].strip()
            if name not in names:
                names.append(name)
            material = names.index(name)
        elif line.startswith("f "):
            try:
                corners = [int(corner.split("/")[0]) - 1 for corner in line.split()[1:]]
            except ValueError:
                corners = []
            if len(corners) not in (3, 4) or not names:
                raise VisusError(
                    f"{path}:{number}: is not a face of three or four vertices: {line!r}"
                )
            quads.append(corners if len(corners) == 4 else [*corners, corners[-1]])
            materials.append(material)
    return vertices, np.array(quads, np.int32), np.array(materials, np.uint8), names
