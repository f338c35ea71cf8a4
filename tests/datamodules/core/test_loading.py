import pickle
from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from visus.datamodules.classification.arrays import ScenesClassificationData
from visus.datamodules.classification.data import ImageClassificationData
from visus.datamodules.core.loading import ArrayDataset, make_loader


def dataset(size):
    images = np.arange(size, dtype=np.uint8).reshape(size, 1, 1, 1)
    return ArrayDataset(images, np.arange(size), None)


@given(st.integers(1, 60), st.integers(1, 8), st.integers(1, 4))
def test_evaluation_uses_every_sample_once(size, batch_size, world):
    seen = Counter()
    for rank in range(world):
        loader = make_loader(dataset(size), batch_size, 0, False, rank, world)
        for batch in loader:
            seen.update(batch["label"].tolist())
    assert seen == Counter(range(size))


@given(st.integers(4, 60), st.integers(1, 8), st.integers(1, 3))
def test_training_gives_every_process_the_same_number_of_batches(size, batch_size, world):
    loaders = [make_loader(dataset(size), batch_size, 0, True, r, world) for r in range(world)]
    assert len({len(list(loader)) for loader in loaders}) == 1
    assert len(loaders[0]) > 0


def test_data_sets_can_be_pickled_for_spawned_workers(photos):
    """Windows and macOS spawn their worker processes."""
    data = ImageClassificationData(str(photos), batch_size=4, num_workers=0)
    for split in ("train", "val", "test"):
        again = pickle.loads(pickle.dumps(data.dataset(split)))
        assert again[0]["image"].shape == (3, 64, 64)
    scenes = pickle.loads(pickle.dumps(ScenesClassificationData(8, num_workers=0).dataset("train")))
    assert scenes[3]["image"].shape == (3, 64, 64)
