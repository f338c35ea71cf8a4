import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from visus.models.face3d.camera import project, rotation_from_angles, rotation_from_six
from visus.models.face3d.morphable import MorphableFace
from visus.models.face3d.procedural_head import procedural_head
from visus.models.face3d.renderer import BACKGROUND, interpolate, rasterise, surface_normals
from visus.tasks.face3d.networks.create import create_face_regressor
from visus.tasks.face3d.networks.regressor import PointVotes

SIZE = (40, 48)


def slow_reference(vertices, triangles, size):
    """Every pixel against every triangle, in plain NumPy."""
    rows, columns = np.indices(size).astype(np.float32) + np.float32(0.5)
    visible = np.full(size, BACKGROUND)
    depth = np.full(size, -np.inf, np.float32)
    for index, corners in enumerate(triangles):
        (x0, y0, z0), (x1, y1, z1), (x2, y2, z2) = vertices[corners]
        area = (x2 - x0) * (y1 - y0) - (x1 - x0) * (y2 - y0)
        if not area > 0:
            continue
        first = (x2 - columns) * (y1 - rows) - (x1 - columns) * (y2 - rows)
        second = (x0 - columns) * (y2 - rows) - (x2 - columns) * (y0 - rows)
        third = (x1 - columns) * (y0 - rows) - (x0 - columns) * (y1 - rows)
        z = z2 + first / area * (z0 - z2) + second / area * (z1 - z2)
        nearer = (first >= 0) & (second >= 0) & (third >= 0) & (z > depth)
        depth[nearer] = z[nearer]
        visible[nearer] = index
    return visible, depth


@given(st.integers(0, 10**6), st.integers(1, 60))
def test_the_depth_buffer_agrees_with_the_slow_reference_pixel_by_pixel(seed, count):
    rng = np.random.default_rng(seed)
    vertices = rng.uniform(-20, 70, (2, 30, 3)).astype(np.float32)
    # Vertices at the centres of pixels and equal depths are the critical cases.
    vertices[1] = np.round(vertices[1] * 2) / 2
    triangles = rng.integers(0, 30, (count, 3)).astype(np.int32)
    raster = rasterise(vertices, triangles, SIZE)
    for i in range(2):
        visible, depth = slow_reference(vertices[i], triangles, SIZE)
        assert (raster.triangles[i] == visible).all()
        assert (raster.depth[i] == depth).all()


def test_a_whole_head_agrees_with_the_slow_reference():
    head = procedural_head()
    rotated = head.neutral @ rotation_from_angles(np.array([30.0, 10.0, -20.0])).T
    projected = (rotated * (2, -2, 2) + (24, 20, 0)).astype(np.float32)
    raster = rasterise(projected[None], head.triangles, SIZE)
    visible, depth = slow_reference(projected, head.triangles, SIZE)
    assert raster.covered.mean() > 0.2
    assert (raster.triangles[0] == visible).all() and (raster.depth[0] == depth).all()


def test_values_are_interpolated_over_the_triangles():
    head = procedural_head()
    projected = (head.neutral * (2, -2, 2) + (24, 20, 0)).astype(np.float32)[None]
    raster = rasterise(projected, head.triangles, SIZE)
    interpolated = interpolate(raster, head.triangles, projected)[0]
    rows, columns = np.nonzero(raster.covered[0])
    np.testing.assert_allclose(interpolated[rows, columns, 0], columns + 0.5, atol=1e-3)
    np.testing.assert_allclose(interpolated[rows, columns, 1], rows + 0.5, atol=1e-3)
    np.testing.assert_allclose(
        interpolated[rows, columns, 2], raster.depth[0, rows, columns], atol=1e-3
    )
    assert (interpolated[~raster.covered[0]] == 0).all()


def test_normals_point_out_of_the_head():
    head = procedural_head()
    projected = (head.neutral * (2, -2, 2) + (24, 20, 0)).astype(np.float32)[None]
    raster = rasterise(projected, head.triangles, SIZE)
    normals = surface_normals(raster, head.triangles, projected)[0]
    covered = raster.covered[0]
    np.testing.assert_allclose(np.linalg.norm(normals[covered], axis=1), 1, atol=1e-5)
    assert (normals[covered][:, 2] > 0).all()
    rows, columns = np.nonzero(covered)
    # Normals of the right side point to the right, those of the top upwards.
    assert np.corrcoef(normals[rows, columns, 0], columns)[0, 1] > 0.7
    assert np.corrcoef(normals[rows, columns, 1], -rows)[0, 1] > 0.7


def test_a_vertex_index_out_of_range_is_refused():
    with pytest.raises(ValueError, match="vertices 0 to 3, there are 3"):
        rasterise(np.zeros((1, 3, 3), np.float32), np.array([[0, 1, 3]], np.int32), SIZE)


@given(st.tuples(st.floats(-89, 89), st.floats(-89, 89), st.floats(-179, 179)))
def test_angles_give_rotations(angles):
    rotation = rotation_from_angles(np.array(angles)).astype(np.float64)
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-5)
    assert np.linalg.det(rotation) == pytest.approx(1, abs=1e-5)
    # Columns of any length give the same rotation.
    six = torch.from_numpy(np.concatenate([3 * rotation[:, 0], 0.5 * rotation[:, 1]]))
    np.testing.assert_allclose(rotation_from_six(six).numpy(), rotation, atol=1e-5)


def test_heads_rotate_in_the_documented_directions():
    nose = np.array([0.0, 0.0, 1.0])
    assert (rotation_from_angles(np.array([30, 0, 0])) @ nose)[0] > 0
    assert (rotation_from_angles(np.array([0, 30, 0])) @ nose)[1] < 0
    assert (rotation_from_angles(np.array([0, 0, 30])) @ np.array([1.0, 0, 0]))[1] > 0


def test_projection_rotates_scales_and_translates():
    points = torch.tensor([[[1.0, 2.0, 3.0]]])
    rotation = torch.from_numpy(rotation_from_angles(np.array([[90.0, 0, 0]])))
    projected = project(points, rotation, torch.tensor([10.0]), torch.tensor([[5.0, 6.0]]))
    np.testing.assert_allclose(projected[0, 0].numpy(), [35, -14, -10], atol=1e-4)


def test_shapes_are_sums_and_have_gradients():
    model = procedural_head().choose(5, ("jawOpen", "mouthPucker"))
    face = MorphableFace(model).double()
    identity = torch.randn(3, 5, dtype=torch.float64, requires_grad=True)
    expression = torch.rand(3, 2, dtype=torch.float64, requires_grad=True)
    shapes = face(identity, expression)
    expected = (
        model.neutral.astype(np.float64)
        + np.tensordot(identity.detach().numpy(), model.identity, 1)
        + np.tensordot(expression.detach().numpy(), model.expression, 1)
    )
    np.testing.assert_allclose(shapes.detach().numpy(), expected, atol=1e-9)
    assert not face.state_dict()
    assert torch.autograd.gradcheck(lambda i, e: face(i, e)[:, ::500], (identity, expression))


def test_points_are_located_by_votes_even_outside_the_image():
    votes = PointVotes(2, torch.tensor([[0.5, 0.5]]), 3, 5)
    with torch.no_grad():
        votes.vote.weight.zero_()
        # The first channel is the weight of a cell.
        votes.vote.weight[0, 0] = 100.0
    level = torch.zeros(1, 2, 3, 5)
    level[0, 0, 2, 1] = 1.0
    torch.testing.assert_close(votes(level)[0, 0], torch.tensor([1.5 / 5, 2.5 / 3]))
    with torch.no_grad():
        votes.vote.bias[1:] = torch.tensor([-3.0, 2.0])
    torch.testing.assert_close(votes(level)[0, 0], torch.tensor([1.5 / 5 - 0.9, 2.5 / 3 + 0.6]))


def test_a_moved_and_larger_face_has_the_same_shape():
    """Shapes are estimated from points relative to their mean and size."""
    torch.manual_seed(0)
    points = procedural_head().face.neutral[:80]
    network, _ = create_face_regressor("convnet", False, (64, 64), 4, 2, points, 32, 14.0)
    network.eval()
    torch.nn.init.zeros_(network.seen.weight)
    torch.nn.init.normal_(network.last.weight)
    torch.nn.init.normal_(network.votes.vote.weight)
    images = torch.randn(1, 3, 64, 64)
    with torch.inference_mode():
        before = network(images)
        network.votes.grid.mul_(0.5).add_(0.3)
        network.votes.vote.weight[80:].mul_(0.5)
        network.votes.vote.bias[80:].mul_(0.5)
        after = network(images)
    torch.testing.assert_close(after.points, before.points * 0.5 + 0.3 * 64)
    for name in ("identity", "expression", "rotation"):
        torch.testing.assert_close(
            getattr(after, name), getattr(before, name), atol=1e-3, rtol=1e-3
        )
    torch.testing.assert_close(after.scale, before.scale * 0.5, atol=1e-3, rtol=1e-3)
    torch.testing.assert_close(
        after.position, before.position * 0.5 + 0.3 * 64, atol=1e-2, rtol=1e-3
    )
