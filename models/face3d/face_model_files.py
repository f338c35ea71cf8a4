"""Read face models: visus's own `.npz`, FLAME's arrays as `.npz`, the Basel model's `.mat`."""

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
"""ICT-FaceKit's names of materials; what has another (lashes, tears) is left out."""

_FLAME_IDENTITIES = 300
"""FLAME's `shapedirs` hold so many shapes of people, and those of expressions after them."""

Arrays = Mapping[str, NDArray[Any]]


def read_face_model(path: Path, name: str = "", landmarks: Path | None = None) -> FaceModel:
    """Read a face model; nothing in the file is unpickled.

    Args:
        path: A `.npz` with visus's keys (docs/face3d.md lists them) or FLAME's, or a `.mat` with
            the keys of the Basel face model.
        name: What it shall be called; the path by default.
        landmarks: A text file of 68 vertex numbers, from 0, where the model has none.

    Raises:
        VisusError: If the file cannot be read, a key is missing, or the numbers are no face model.
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
        with np.load(path, allow_pickle=False) as file:
            return {key: file[key] for key in file.files}
    except FileNotFoundError:
        raise VisusError(f"{path}: there is no such face model; check the path") from None
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, AttributeError) as error:
        raise VisusError(
            f"{path}: cannot be read as .npz of plain arrays ({error}); pickled objects are refused"
        ) from None


def _read_mat(path: Path) -> Arrays:
    # Late, as nothing else here needs scipy.
    from scipy.io import loadmat

    try:
        found = loadmat(path)
    except FileNotFoundError:
        raise VisusError(f"{path}: there is no such face model; check the path") from None
    except Exception as error:
        # scipy raises whatever a damaged file makes it stumble over.
        raise VisusError(f"{path}: cannot be read as .mat ({error})") from None
    return {key: value for key, value in found.items() if isinstance(value, np.ndarray)}


def _read_landmarks(path: Path) -> NDArray[np.int32]:
    try:
        return np.array([int(word) for word in path.read_text("utf-8").split()], np.int32)
    except (OSError, ValueError) as error:
        raise VisusError(f"{path}: is no list of 68 vertex numbers ({error})") from None


def _need(arrays: Arrays, name: str, *keys: str) -> list[NDArray[Any]]:
    missing = [key for key in keys if key not in arrays]
    if missing:
        told = (
            "landmarks are missing; give data.landmarks FILE" if missing == ["landmarks68"] else ""
        )
        raise VisusError(
            f"face model {name!r}: {told or f'lacks {missing[0]!r}; it has {sorted(arrays)}'}"
        )
    return [arrays[key] for key in keys]


def _from_own(arrays: Arrays, name: str) -> FaceModel:
    neutral, identity, expression, names, landmarks = _need(
        arrays, name, "neutral", "identity", "expression", "expression_names", "landmarks68"
    )
    faces = arrays["quads"] if "quads" in arrays else _need(arrays, name, "triangles")[0]
    part_names = tuple(map(str, arrays.get("part_names", np.array([FACE_PART]))))
    kinds = np.asarray(arrays.get("parts", arrays.get("quad_part", np.zeros(len(faces)))), np.int64)
    if len(kinds) != len(faces) or (
        kinds.size and not 0 <= kinds.min() <= kinds.max() < len(part_names)
    ):
        raise VisusError(
            f"face model {name!r}: parts must give each of {len(faces)} faces one of "
            f"{len(part_names)} names"
        )
    known = [_PARTS.get(part, part) for part in part_names]
    # In one order, so that the same model has the same digest however its file orders them.
    kept = tuple(part for part in dict.fromkeys(_PARTS.values()) if part in known)
    numbers = np.array([kept.index(part) if part in kept else -1 for part in known])[kinds]
    triangles, origin = _triangles(faces, name)
    stays = numbers[origin] >= 0
    triangles, parts = triangles[stays], numbers[origin][stays].astype(np.uint8)
    count = int(triangles.max(initial=-1)) + 1 if len(triangles) else 0
    if count > len(neutral) or triangles.min(initial=0) < 0:
        bad = triangles.max() if count > len(neutral) else triangles.min()
        raise VisusError(
            f"face model {name!r}: a triangle has vertex {bad}, there are {len(neutral)}; "
            "mend the file"
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
        kept,
        parts,
    )


def _from_flame(arrays: Arrays, name: str) -> FaceModel:
    """FLAME (Li et al. 2017), without its joints: the head turns as a whole."""
    neutral, shapes, faces, landmarks = _need(
        arrays, name, "v_template", "shapedirs", "f", "landmarks68"
    )
    modes = np.moveaxis(np.asarray(shapes, np.float32), 2, 0)
    expressions = modes[_FLAME_IDENTITIES:]
    return _whole(
        name,
        neutral,
        modes[:_FLAME_IDENTITIES],
        expressions,
        tuple(f"expression{i}" for i in range(len(expressions))),
        faces,
        landmarks,
        1000.0,
    )


def _from_basel(arrays: Arrays, name: str) -> FaceModel:
    """The Basel face model (Paysan et al. 2009), with expressions where the file has some."""
    mean, modes, deviations, faces, landmarks = _need(
        arrays, name, "shapeMU", "shapePC", "shapeEV", "tl", "landmarks68"
    )
    neutral = np.asarray(mean, np.float32).reshape(-1, 3)

    def moves(basis: NDArray[Any], scale: NDArray[Any]) -> NDArray[np.float32]:
        scaled = np.asarray(basis, np.float32) * np.asarray(scale, np.float32).reshape(-1)
        return np.ascontiguousarray(scaled.T).reshape(-1, *neutral.shape)

    expression = np.zeros((0, *neutral.shape), np.float32)
    if "expPC" in arrays:
        expression = moves(*_need(arrays, name, "expPC", "expEV"))
    names = tuple(f"expression{i}" for i in range(len(expression)))
    # Its corners count from 1, its lengths are micrometres.
    corners = np.asarray(faces, np.int64) - 1
    return _whole(
        name, neutral, moves(modes, deviations), expression, names, corners, landmarks, 0.001
    )


def _whole(
    name: str,
    neutral: NDArray[Any],
    identity: NDArray[Any],
    expression: NDArray[Any],
    names: tuple[str, ...],
    faces: NDArray[Any],
    landmarks: NDArray[Any],
    millimetres: float,
) -> FaceModel:
    """A model of one part."""
    neutral = np.asarray(neutral, np.float32)
    triangles = _outwards(_triangles(faces, name)[0], neutral)
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
    """Faces of three or four corners as triangles, and of which face each is a part.

    A face of four corners of which two are the same is a triangle.
    """
    if faces.ndim != 2 or faces.shape[1] not in (3, 4) or faces.dtype.kind not in "iu":
        raise VisusError(
            f"face model {name!r}: faces are {faces.dtype} of shape {faces.shape}; give whole "
            "numbers, three or four a row; a triangle among quads repeats a corner"
        )
    corners = faces.astype(np.int32)
    origin = np.arange(len(corners))
    if corners.shape[1] == 4:
        origin = np.repeat(origin, 2)
        corners = np.stack([corners[:, [0, 1, 2]], corners[:, [0, 2, 3]]], axis=1).reshape(-1, 3)
    first, second, third = corners.T
    whole = (first != second) & (second != third) & (first != third)
    return corners[whole], origin[whole]


def _outwards(triangles: NDArray[np.int32], neutral: NDArray[np.float32]) -> NDArray[np.int32]:
    """The triangles with their corners counter-clockwise as seen from outside.

    Models that are converted from file to file come in either order.
    """
    if not triangles.size or triangles.min() < 0 or triangles.max() >= len(neutral):
        return triangles
    corners = neutral[triangles]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    away = corners.mean(1) - neutral.mean(0)
    return triangles if (normals * away).sum() >= 0 else np.ascontiguousarray(triangles[:, ::-1])
