"""Whether maps explain: they depend on the weights, and find what the score depends on."""

import copy

import numpy as np
import pytest
import torch

from tests.training import inside, train_in
from visus.apps.inference.explaining import Explainer
from visus.apps.inference.loading import torch_model
from visus.apps.report.explanations import measure_deletion
from visus.apps.training.evaluation import load_evaluation

KINDS = {"Grad-CAM", "saliency", "occlusion"}


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    """A classifier of digits, and test images of them."""
    folder = tmp_path_factory.mktemp("digits")
    arguments = ["--trainer.max_epochs", "6", "--data.num_workers", "0"]
    run = train_in(folder, "--config", "classification/digits", *arguments)
    with inside(folder):
        evaluation = load_evaluation(str(run))
    dataset = evaluation.data.plain_dataset("test")
    images = [np.repeat(dataset.image(i), 3, 2) for i in range(24)]
    return evaluation.task, images


def first_maps(task, image):
    """The first map of each kind."""
    found = {}
    for each in Explainer(torch_model("m", task))(image):
        assert each.heat.shape == image.shape[:2] and 0 <= each.heat.min() <= each.heat.max() <= 1
        assert each.image.shape == image.shape
        found.setdefault(each.caption.partition(":")[0], each.heat)
    return found


def test_maps_change_when_the_weights_are_randomised(digits):
    # Adebayo et al. 2018: a map that stays the same shows the image, not the network.
    task, images = digits
    torch.manual_seed(0)
    randomised = copy.deepcopy(task)
    for module in randomised.modules():
        if hasattr(module, "reset_parameters"):
            module.reset_parameters()
    similarities = {kind: [] for kind in KINDS}
    for image in images[:8]:
        before, after = first_maps(task, image), first_maps(randomised, image)
        assert set(before) == KINDS
        for kind in KINDS:
            pair = np.stack([before[kind].ravel(), after[kind].ravel()])
            similarities[kind].append(np.corrcoef(pair + 1e-9 * np.arange(pair.shape[1]))[0, 1])
    for kind, values in similarities.items():
        assert np.mean(values) < 0.6, (kind, values)


def test_deleting_what_a_map_ranks_highest_costs_more_than_a_random_part(digits):
    task, images = digits
    deletions = measure_deletion(Explainer(torch_model("m", task)), images)
    assert {each.map for each in deletions} == KINDS
    for each in deletions:
        assert each.samples == len(images)
        assert each.ranked > each.random + 0.02, each
