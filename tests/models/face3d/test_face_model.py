import pickle
from dataclasses import replace

import numpy as np
import pytest
from scipy.io import savemat

from visus.models.face3d.face_model import five_points
from visus.models.face3d.face_model_files import read_face_model
from visus.models.face3d.procedural_head import procedural_head
from visus.vision.errors import VisusError


def arrays(**changes):
    head = procedural_head()
    own = {
        "neutral": head.neutral,
        "identity": head.identity,
        "expression": head.expression,
        "expression_names": np.array(head.expression_names),
        "triangles": head.triangles,
        "landmarks68": head.landmarks,
    }
    return {key: value for key, value in {**own, **changes}.items() if value is not None}


def saved(path, **changes):
    np.savez(path, **arrays(**changes))
    return path


def test_the_procedural_head_is_a_face():
    head = procedural_head()
    landmarks = head.neutral[head.landmarks]
    left, right, nose, _, _ = five_points(landmarks)
    assert left[0] < 0 < right[0] and nose[2] == landmarks[:, 2].max()
    assert landmarks[8, 1] == landmarks[:, 1].min()
    # The components displace the two sides symmetrically.
    mirrored = head.identity.reshape(40, 57, 65, 3)[:, :, ::-1] * (-1, 1, 1)
    np.testing.assert_allclose(mirrored.reshape(head.identity.shape), head.identity, atol=1e-5)


def test_a_file_reads_back_as_it_was_written(tmp_path):
    assert read_face_model(saved(tmp_path / "m.npz")).digest == procedural_head().digest
    other = read_face_model(saved(tmp_path / "n.npz", neutral=procedural_head().neutral * 1.01))
    assert other.digest != procedural_head().digest


def test_quads_become_triangles_and_other_parts_are_left_out(tmp_path):
    head = procedural_head()
    quads = np.concatenate([head.triangles, head.triangles[:, 2:]], axis=1)
    # A last quad, of lashes.
    quads = np.concatenate([quads, [[0, 1, 66, 65]]]).astype(np.int32)
    parts = np.zeros(len(quads), np.uint8)
    parts[-1] = 1
    path = saved(
        tmp_path / "m.npz",
        triangles=None,
        quads=quads,
        quad_part=parts,
        part_names=np.array(["M_Face", "M_EyeLashes"]),
    )
    model = read_face_model(path)
    assert (model.triangles == head.triangles).all()
    assert model.face.digest == head.digest


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"identity": np.zeros((3, 100, 3))}, r"identity is of shape \(3, 100, 3\)"),
        ({"neutral": np.full((3705, 3), np.nan)}, r"neutral\[0, 0\] is not a finite number"),
        ({"landmarks68": np.arange(60)}, "60 landmarks; 68 are needed"),
        ({"landmarks68": np.full(68, 5000)}, r"landmarks\[0\] is vertex 5000, there are 3705"),
        ({"landmarks68": None}, "landmarks are missing; give data.landmarks FILE"),
        ({"triangles": np.array([[0, 1, 9999]])}, "a triangle has vertex 9999, there are 3705"),
        ({"triangles": np.zeros((4, 5), int)}, "three or four a row"),
        ({"triangles": np.zeros((4, 3))}, "give whole numbers"),
        ({"expression_names": np.array(["one"])}, "10 expressions have 1 names"),
        ({"neutral": None}, "lacks 'neutral'; it has"),
    ],
)
def test_bad_models_are_named(tmp_path, changes, words):
    with pytest.raises(VisusError, match=words):
        read_face_model(saved(tmp_path / "m.npz", **changes))


def test_nothing_is_unpickled(tmp_path):
    np.savez(tmp_path / "m.npz", **arrays(neutral=np.array([{"a": 1}], object)))
    with pytest.raises(VisusError, match="pickled objects are refused"):
        read_face_model(tmp_path / "m.npz")
    (tmp_path / "p.npz").write_bytes(pickle.dumps({"neutral": 1}))
    with pytest.raises(VisusError, match=r"cannot be read as \.npz of plain arrays"):
        read_face_model(tmp_path / "p.npz")
    with pytest.raises(VisusError, match="there is no such face model"):
        read_face_model(tmp_path / "absent.npz")


def test_models_as_basel_and_flame_write_them(tmp_path):
    head = procedural_head()
    savemat(
        tmp_path / "basel.mat",
        {
            "shapeMU": head.neutral.reshape(-1, 1) * 1e4,
            "shapePC": head.identity.reshape(40, -1).T * 1e4 / 2,
            "shapeEV": np.full((40, 1), 2.0),
            # In the other order, with indices from 1.
            "tl": head.triangles[:, ::-1] + 1,
        },
    )
    (tmp_path / "marks.txt").write_text("\n".join(map(str, head.landmarks)))
    basel = read_face_model(tmp_path / "basel.mat", landmarks=tmp_path / "marks.txt")
    np.testing.assert_allclose(basel.neutral * basel.millimetres, head.neutral * 10, rtol=1e-5)
    np.testing.assert_allclose(basel.identity, head.identity * 1e4, rtol=1e-4, atol=1e-3)
    assert (basel.triangles == head.triangles).all() and len(basel.expression) == 0
    modes = np.concatenate([np.zeros((300, 3705, 3)), head.expression]) / 100
    np.savez(
        tmp_path / "flame.npz",
        v_template=head.neutral / 100,
        shapedirs=np.moveaxis(modes, 0, 2),
        f=head.triangles,
        landmarks68=head.landmarks,
    )
    flame = read_face_model(tmp_path / "flame.npz")
    assert len(flame.identity) == 300 and len(flame.expression_names) == 10
    np.testing.assert_allclose(flame.neutral * flame.millimetres, head.neutral * 10, rtol=1e-5)


def test_choices_that_a_model_does_not_have_are_refused():
    head = procedural_head()
    with pytest.raises(VisusError, match=r"data.components 41: .* choose 1 to 40"):
        head.choose(41, ())
    with pytest.raises(VisusError, match=r"'wink': .* it has jawOpen"):
        head.choose(2, ("wink",))
    with pytest.raises(VisusError, match="has no part named 'face'"):
        _ = replace(head, part_names=("head",)).face


def test_spread_points_are_the_landmarks_and_others_far_from_each_other():
    model = procedural_head().face
    chosen = model.spread_points(128)
    assert chosen[:68].tolist() == model.landmarks.tolist()
    points = model.neutral[chosen]
    distances = np.linalg.norm(points[:, None] - points[68:], axis=2)
    distances[np.arange(68, 128), np.arange(60)] = np.inf
    # The face is 14 cm wide; nearest neighbours of 60 random vertices are much closer than this.
    assert distances.min() > 0.8
    low, high = model.neutral[model.landmarks].min(0), model.neutral[model.landmarks].max(0)
    assert (points >= low).all() and (points[:, 0] <= high[0]).all()
    assert model.spread_points(100).tolist() == chosen[:100].tolist()


@pytest.mark.parametrize("count", [67, 10**5])
def test_more_points_than_there_are_or_fewer_than_landmarks_are_refused(count):
    with pytest.raises(VisusError, match=f"model.points {count}: choose 68, the landmarks, to"):
        procedural_head().face.spread_points(count)


def test_a_trimmed_model_keeps_its_shape():
    model = procedural_head()
    chosen = np.random.default_rng(0).random(len(model.triangles)) < 0.1
    trimmed, vertices = model.trim(chosen)
    corners = model.neutral[model.triangles[chosen]]
    np.testing.assert_array_equal(trimmed.neutral[trimmed.triangles], corners)
    landmarks = model.neutral[model.landmarks]
    np.testing.assert_array_equal(trimmed.neutral[trimmed.landmarks], landmarks)
    np.testing.assert_array_equal(trimmed.identity, model.identity[:, vertices])
    assert len(trimmed.parts) == chosen.sum() and len(vertices) < len(model.neutral)
