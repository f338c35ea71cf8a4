import numpy as np
import pytest

from datamodules.face3d_heads import RandomHeads, visible_triangles
from models.face3d.renderer import NOTHING, rasterise
from vision.procedural_head import procedural_head


@pytest.mark.parametrize("side", [64, 128])
def test_what_is_not_drawn_is_hardly_ever_seen(side):
    model, size = procedural_head(), (side, side)
    drawn = visible_triangles(model, size)
    assert 0.2 < drawn.mean() < 0.95
    placed, _ = RandomHeads(model, size)([np.random.default_rng(10**6 + i) for i in range(64)])
    seen = rasterise(placed, model.triangles, size).triangles
    seen = seen[seen != NOTHING]
    assert len(seen) > 0.2 * 64 * side * side
    assert (~drawn[seen]).mean() < 1e-4
