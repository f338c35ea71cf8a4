import pytest
import torch

from visus.tasks.segmentation.distillation import region_imitation


def logits(rows):
    """Certain logits of 3 classes for a map of class ids."""
    return 20.0 * torch.nn.functional.one_hot(torch.tensor(rows), 3).permute(2, 0, 1)[None].float()


def test_a_lost_region_costs_as_much_however_small_it_is():
    teacher = logits([[0, 0, 0, 0], [1, 1, 1, 1], [0, 0, 0, 2]])
    assert region_imitation(teacher, teacher) == pytest.approx(0, abs=1e-6)
    small = logits([[0, 0, 0, 0], [1, 1, 1, 1], [0, 0, 0, 0]])
    large = logits([[0, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 2]])
    for lost, pixels in ((small, 1), (large, 4)):
        others = 1 - (2 * 7 + 1) / (7 + 7 + pixels + 1)
        expected = (1 - 1 / (pixels + 1) + others) / 3
        assert region_imitation(lost, teacher) == pytest.approx(expected, abs=1e-4)
