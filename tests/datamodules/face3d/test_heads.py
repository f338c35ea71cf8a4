from dataclasses import replace

import numpy as np
import pytest

from visus.datamodules.face3d.heads import RandomHeads, visible_triangles
from visus.models.face3d.procedural_head import procedural_head
from visus.models.face3d.renderer import BACKGROUND, rasterise


def head_with_insides():
    """A head that has a smaller copy of itself inside."""
    model = procedural_head()
    count = len(model.neutral)
    still = ((0, 0), (0, count), (0, 0))
    return replace(
        model,
        neutral=np.concatenate([model.neutral, 0.6 * model.neutral]),
        identity=np.pad(model.identity, still),
        expression=np.pad(model.expression, still),
        triangles=np.concatenate([model.triangles, model.triangles + count]),
        parts=np.tile(model.parts, 2),
    )


@pytest.mark.parametrize("side", [64, 128])
def test_triangles_that_are_not_rasterised_are_hardly_ever_visible(side):
    model, size = head_with_insides(), (side, side)
    rasterised = visible_triangles(model, size)
    outside, inside = np.split(rasterised, 2)
    assert outside.mean() > 0.95 and inside.mean() < 0.5
    vertices, _ = RandomHeads(model, size)([np.random.default_rng(10**6 + i) for i in range(64)])
    visible = rasterise(vertices, model.triangles, size).triangles
    visible = visible[visible != BACKGROUND]
    assert len(visible) > 0.2 * 64 * side * side
    assert (~rasterised[visible]).mean() < 1e-4
