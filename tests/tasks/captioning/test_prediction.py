import numpy as np
import pytest

from visus.tasks.captioning.prediction import postprocess
from visus.vision.metadata import ModelMetadata
from visus.vision.resize import resize_to_input
from visus.vision.vocabulary import END, SPECIAL_TOKENS

WORDS = (*SPECIAL_TOKENS, "a", "dog", "runs")


def metadata(**options):
    constants = (127.5, 127.5, 127.5)
    return ModelMetadata(
        "captioning", WORDS, (8, 8), 3, "stretch", constants, constants, options=options
    )


@pytest.mark.parametrize("power", [0.0, 0.7, 1.0])
def test_scores_descend_in_the_order_of_the_search(power):
    first = len(SPECIAL_TOKENS)
    rows = [[first, END, 0, 0], [first, first + 1, END, 0], [first, first + 1, first + 2, END]]
    lengths, totals = np.array([2, 3, 4]), np.array([-1.2, -1.4, -1.6])
    order = np.argsort(-totals / lengths**power, kind="stable")
    outputs = [np.array(rows)[order], totals[order].astype(np.float32)]
    geometry = resize_to_input(np.zeros((8, 8, 3), np.uint8), (8, 8), "stretch")[1]
    prediction = postprocess(outputs, geometry, metadata(length_power=power))
    scores = [entry["score"] for entry in prediction.to_json()["captions"]]
    assert scores == sorted(scores, reverse=True) and len(scores) == 3
    best = order[0]
    assert scores[0] == pytest.approx(np.exp(totals[best] / lengths[best] ** power), abs=1e-5)
