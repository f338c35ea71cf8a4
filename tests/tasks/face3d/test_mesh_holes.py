import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from visus.tasks.face3d.mesh_holes import border_loops, close_holes

POINTS = 21


def opening(open_by, bend, turn):
    """The outline of an eye or a mouth, counter-clockwise: its lower edge, then its upper one."""
    x = np.linspace(-1, 1, POINTS)
    arch = 1 - x**2
    lower, upper = np.stack([x, (bend - open_by) * arch]), np.stack([x, (bend + open_by) * arch])
    outline = np.concatenate([lower[:, :-1], upper[:, :0:-1]], axis=1)
    turned = [[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]] @ outline
    return turned.T.astype(np.float32)


def collar(outline):
    """Triangles around an opening, to an outline three times as large."""
    count = len(outline)
    flat = np.concatenate([outline, 3 * outline])
    inner = np.arange(count)
    following = np.roll(inner, -1)
    outer = inner + count
    triangles = [[outer, following + count, following], [outer, following, inner]]
    vertices = np.concatenate([flat, np.zeros((2 * count, 1))], axis=1).astype(np.float32)
    return vertices, np.concatenate([np.stack(t, axis=1) for t in triangles]).astype(np.int32)


def areas(vertices, triangles):
    a, b, c = (vertices[triangles[:, i]].astype(np.float64) for i in range(3))
    return np.cross(b - a, c - a)[:, 2] / 2


@given(st.floats(0.02, 0.7), st.floats(-0.5, 0.5), st.floats(-0.2, 0.2), st.integers(0, 39))
def test_eyes_and_mouths_are_closed_and_the_outer_border_is_not(open_by, bend, turn, first):
    outline = np.roll(opening(open_by, bend, turn), first, axis=0)
    vertices, triangles = collar(outline)
    assert len(border_loops(triangles)) == 2
    closed = close_holes(vertices, triangles)
    np.testing.assert_array_equal(closed[: len(triangles)], triangles)
    (border,) = border_loops(closed)
    assert set(border) == set(range(len(outline), 2 * len(outline)))
    # The new triangles face as the others do, and cover the opening and nothing beyond it.
    x, y = outline.T.astype(np.float64)
    whole = (x * np.roll(y, -1) - y * np.roll(x, -1)).sum() / 2
    added = areas(vertices, closed[len(triangles) :])
    assert abs(added.sum() - whole) < 1e-5
    assert added.min() > -0.01 * whole


def test_a_mesh_without_holes_does_not_change():
    ball = np.array([[0, 2, 1], [0, 1, 3], [1, 2, 3], [2, 0, 3]], np.int32)
    corners = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]], np.float32)
    assert border_loops(ball) == []
    np.testing.assert_array_equal(close_holes(corners, ball), ball)
    (border,) = border_loops(ball[1:])
    assert set(border) == {0, 1, 2}
    np.testing.assert_array_equal(close_holes(corners, ball[1:]), ball[1:])
