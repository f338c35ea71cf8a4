"""Read face models: visus's own `.npz`, FLAME's arrays as `.npz`, the Basel model's `.mat`."""

import math
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from visus.models.face3d.face_model import FACE_PART, FaceModel
from visus.vision.errors import VisusError

_PARTS = {
    "M_Face": FACE_PART,
    "M_BackHead": "head",
    "M_ScleraLeft": "eyes",
    "M_ScleraRight": "eyes",
    "M_Teeth": "teeth",
    "M_GumsTongue": "mouth",
}
"""Parts of ICT-FaceKit's materials; faces of other materials (lashes, tears) are left out."""

_FLAME_IDENTITIES = 300
"""Number of identity components in FLAME's `shapedirs`; the expressions follow them."""

_LARGEST = 500_000_000
"""Bytes of the arrays of a file; the largest published models have 400 MB."""

_BASEL = ("shapeMU", "shapePC", "shapeEV", "tl", "expPC", "expEV", "landmarks68")
"""The arrays of the Basel face model that are read."""

_NUMBERS = frozenset(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)) | {
    "double",
    "single",
    "logical",
}

Arrays = Mapping[str, NDArray[Any]]


def read_face_model(path: Path, name: str = "", landmarks: Path | None = None) -> FaceModel:
    """Read a face model; nothing in the file is unpickled.

    Args:
        path: A `.npz` with visus's keys (docs/face3d.md lists them) or FLAME's, or a `.mat` with
            the keys of the Basel face model.
        name: Name of the model; the path by default.
        landmarks: A text file of 68 vertex indices, from 0, for a model without landmarks.

    Raises:
        VisusError: If the file cannot be read, a key is missing, or the arrays are invalid.
    """
    arrays = _read_mat(path) if path.suffix == ".mat" else _read_npz(path)
    if landmarks is not None:
        arrays = {**arrays, "landmarks68": _read_landmarks(landmarks)}
    name = name or str(path)
    if "v_template" in arrays:
        return _from_flame(arrays, name)
    if "shapeMU" in arrays:
        return _from_basel(arrays, name)
    return _from_own(arrays, name)


def _read_npz(path: Path) -> Arrays:
    try:
        with zipfile.ZipFile(path) as archive:
            _refuse_large(path, sum(entry.file_size for entry in archive.infolist()))
        with np.load(path, allow_pickle=False) as file:
            return {key: file[key] for key in file.files}
    except FileNotFoundError:
        raise VisusError(f"{path}: there is no such face model; check the path") from None
    except (
        OSError,
        ValueError,
        EOFError,
        zipfile.BadZipFile,
        MemoryError,
        NotImplementedError,
    ) as error:
        raise VisusError(
            f"{path}: cannot be read as .npz of plain arrays ({error}); pickled objects are refused"
        ) from None


def _read_mat(path: Path) -> Arrays:
    # Late, as nothing else here needs scipy.
    from scipy.io import loadmat, whosmat

    try:
        # Only the names, shapes and kinds of all; a compressed array expands when it is read.
        listed = {name: (shape, kind) for name, shape, kind in whosmat(path) if name in _BASEL}
        _refuse_large(path, sum(8 * math.prod(shape) for shape, _ in listed.values()))
        objects = [name for name, (_, kind) in listed.items() if kind not in _NUMBERS]
        if objects:
            raise VisusError(f"{path}: {objects[0]!r} is not an array of numbers")
        arrays = loadmat(path, variable_names=list(listed))
    except FileNotFoundError:
        raise VisusError(f"{path}: there is no such face model; check the path") from None
    except VisusError:
        raise
    except Exception as error:
        # scipy raises many kinds of errors for damaged files.
        raise VisusError(f"{path}: cannot be read as .mat ({error})") from None
    return {key: value for key, value in arrays.items() if isinstance(value, np.ndarray)}


def _refuse_large(path: Path, size: int) -> None:
    if size > _LARGEST:
        raise VisusError(
            f"{path}: refused, its arrays take {size:,} bytes; a face model takes at most "
            f"{_LARGEST:,}"
        )


def _read_landmarks(path: Path) -> NDArray[np.int32]:
    try:
        return np.array([int(word) for word in path.read_text("utf-8").split()], np.int32)
    except (OSError, ValueError) as error:
        raise VisusError(f"{path}: is not a list of 68 vertex indices ({error})") from None


def _require(arrays: Arrays, name: str, *keys: str) -> list[NDArray[Any]]:
    """The arrays of some keys.

    Raises:
        VisusError: If one is missing.
    """
    missing = [key for key in keys if key not in arrays]
    if missing == ["landmarks68"]:
        raise VisusError(f"face model {name!r}: landmarks are missing; give data.landmarks FILE")
    if missing:
        raise VisusError(
            f"face model {name!r}: lacks {missing[0]!r}; it has {', '.join(sorted(arrays))}"
        )
    return [arrays[key] for key in keys]


def _from_own(arrays: Arrays, name: str) -> FaceModel:
    neutral, identity, expression, names, landmarks = _require(
        arrays, name, "neutral", "identity", "expression", "expression_names", "landmarks68"
    )
    faces = arrays["quads"] if "quads" in arrays else _require(arrays, name, "triangles")[0]
    part_names = tuple(map(str, arrays.get("part_names", np.array([FACE_PART]))))
    given = np.asarray(arrays.get("parts", arrays.get("quad_part", np.zeros(len(faces)))), np.int64)
    if len(given) != len(faces) or (
        given.size and not 0 <= given.min() <= given.max() < len(part_names)
    ):
        raise VisusError(
            f"face model {name!r}: parts must give each of {len(faces)} faces one of "
            f"{len(part_names)} names"
        )
    known = [_PARTS.get(part, part) for part in part_names]
    # In one order, so that the digest does not depend on the order in the file.
    names_of_parts = tuple(part for part in dict.fromkeys(_PARTS.values()) if part in known)
    index = [names_of_parts.index(part) if part in names_of_parts else -1 for part in known]
    face_parts = np.array(index)[given]
    triangles, origin = _triangles(faces, name)
    used = face_parts[origin] >= 0
    triangles, parts = triangles[used], face_parts[origin][used].astype(np.uint8)
    count = int(triangles.max(initial=-1)) + 1 if len(triangles) else 0
    if count > len(neutral) or triangles.min(initial=0) < 0:
        bad = triangles.max() if count > len(neutral) else triangles.min()
        raise VisusError(
            f"face model {name!r}: a triangle has vertex {bad}, there are {len(neutral)}; "
            "fix the file"
        )
    return FaceModel(
        name,
        np.asarray(neutral, np.float32)[:count],
        np.asarray(identity, np.float32)[:, :count],
        np.asarray(expression, np.float32)[:, :count],
        tuple(map(str, names)),
        triangles,
        np.asarray(landmarks, np.int32).reshape(-1),
        float(arrays.get("millimetres", 10.0)),
        names_of_parts,
        parts,
    )


def _from_flame(arrays: Arrays, name: str) -> FaceModel:
    """FLAME (Li et al. 2017), without its joints: the head rotates as a whole."""
    neutral, shapes, faces, landmarks = _require(
        arrays, name, "v_template", "shapedirs", "f", "landmarks68"
    )
    components = np.moveaxis(np.asarray(shapes, np.float32), 2, 0)
    expressions = components[_FLAME_IDENTITIES:]
    return _single_part(
        name,
        neutral,
        components[:_FLAME_IDENTITIES],
        expressions,
        tuple(f"expression{i}" for i in range(len(expressions))),
        faces,
        landmarks,
        1000.0,
    )


def _from_basel(arrays: Arrays, name: str) -> FaceModel:
    """The Basel face model (Paysan et al. 2009), with expressions if the file has them."""
    mean, basis, deviations, faces, landmarks = _require(
        arrays, name, "shapeMU", "shapePC", "shapeEV", "tl", "landmarks68"
    )
    neutral = np.asarray(mean, np.float32).reshape(-1, 3)

    def components(basis: NDArray[Any], scale: NDArray[Any]) -> NDArray[np.float32]:
        scaled = np.asarray(basis, np.float32) * np.asarray(scale, np.float32).reshape(-1)
        return np.ascontiguousarray(scaled.T).reshape(-1, *neutral.shape)

    expression = np.zeros((0, *neutral.shape), np.float32)
    if "expPC" in arrays:
        expression = components(*_require(arrays, name, "expPC", "expEV"))
    names = tuple(f"expression{i}" for i in range(len(expression)))
    # Its indices start at 1, its lengths are micrometres.
    corners = np.asarray(faces, np.int64) - 1
    identity = components(basis, deviations)
    return _single_part(name, neutral, identity, expression, names, corners, landmarks, 0.001)


def _single_part(
    name: str,
    neutral: NDArray[Any],
    identity: NDArray[Any],
    expression: NDArray[Any],
    names: tuple[str, ...],
    faces: NDArray[Any],
    landmarks: NDArray[Any],
    millimetres: float,
) -> FaceModel:
    """A model that consists of the face alone."""
    neutral = np.asarray(neutral, np.float32)
    triangles = _orient_outwards(_triangles(faces, name)[0], neutral)
    return FaceModel(
        name,
        neutral,
        np.asarray(identity, np.float32),
        np.asarray(expression, np.float32),
        names,
        triangles,
        np.asarray(landmarks, np.int32).reshape(-1),
        millimetres,
        (FACE_PART,),
        np.zeros(len(triangles), np.uint8),
    )


def _triangles(faces: NDArray[Any], name: str) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Faces with three or four vertices as triangles, and the index of each one's face.

    A face with four vertices of which two are the same is a triangle.
    """
    if faces.ndim != 2 or faces.shape[1] not in (3, 4) or faces.dtype.kind not in "iu":
        raise VisusError(
            f"face model {name!r}: faces are {faces.dtype} of shape {faces.shape}; give whole "
            "numbers, three or four a row; a triangle among quads repeats a vertex"
        )
    corners = faces.astype(np.int32)
    origin = np.arange(len(corners))
    if corners.shape[1] == 4:
        origin = np.repeat(origin, 2)
        corners = np.stack([corners[:, [0, 1, 2]], corners[:, [0, 2, 3]]], axis=1).reshape(-1, 3)
    first, second, third = corners.T
    valid = (first != second) & (second != third) & (first != third)
    return corners[valid], origin[valid]


def _orient_outwards(
    triangles: NDArray[np.int32], neutral: NDArray[np.float32]
) -> NDArray[np.int32]:
    """The triangles with their vertices counter-clockwise as seen from outside.

    Converted models come in either order.
    """
    if not triangles.size or triangles.min() < 0 or triangles.max() >= len(neutral):
        return triangles
    corners = neutral[triangles]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    outwards = corners.mean(1) - neutral.mean(0)
    return (
        triangles if (normals * outwards).sum() >= 0 else np.ascontiguousarray(triangles[:, ::-1])
    )
