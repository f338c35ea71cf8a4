import pickle
import sys
from collections import Counter

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.data import Dataset

from visus.datamodules.classification.arrays import ScenesClassificationData
from visus.datamodules.classification.data import ImageClassificationData
from visus.datamodules.core.epochs import ShuffledBatches
from visus.datamodules.core.loading import ArrayDataset, make_loader, make_train_loader
from visus.vision.sampling import evenly_spaced


def dataset(size):
    images = np.arange(size, dtype=np.uint8).reshape(size, 1, 1, 1)
    return ArrayDataset(images, np.arange(size), None)


@given(st.integers(1, 60), st.integers(1, 8), st.integers(1, 4))
def test_evaluation_uses_every_sample_once(size, batch_size, world):
    seen = Counter()
    for rank in range(world):
        loader = make_loader(dataset(size), batch_size, 0, rank, world)
        for batch in loader:
            seen.update(batch["label"].tolist())
    assert seen == Counter(range(size))


@given(st.integers(4, 60), st.integers(1, 8), st.integers(1, 3))
def test_training_gives_every_process_the_same_number_of_batches(size, batch_size, world):
    batches = [ShuffledBatches(size, batch_size, r, world) for r in range(world)]
    loaders = [make_train_loader(dataset(size), each, 0) for each in batches]
    returned = [list(loader) for loader in loaders]
    assert len({len(each) for each in returned}) == 1 == len({len(loader) for loader in loaders})
    assert len(loaders[0]) == len(returned[0]) > 0
    seen = [index for loader in returned for batch in loader for index in batch["label"].tolist()]
    assert len(seen) == len(set(seen))


@given(st.integers(1, 40), st.integers(1, 8), st.integers(0, 3), st.integers(0, 40))
def test_an_epoch_is_continued_where_it_stopped(size, batch_size, epoch, batch):
    whole = ShuffledBatches(size, batch_size)
    whole.set_epoch(epoch)
    rest = ShuffledBatches(size, batch_size)
    rest.resume_at(epoch, batch)
    rest.set_epoch(epoch)
    assert list(rest) == list(whole)[batch:] and len(rest) == len(whole)
    for each in (whole, rest):
        each.set_epoch(epoch + 1)
    assert list(rest) == list(whole)


class Noise(Dataset):
    def __len__(self):
        return 12

    def __getitem__(self, index):
        return {"value": torch.rand(3), "index": index}


class BatchedNoise(Noise):
    def __getitems__(self, indices):
        return {"value": torch.rand(len(indices), 3), "index": indices}


@pytest.mark.parametrize("data", [Noise(), BatchedNoise()])
def test_random_choices_follow_from_seed_epoch_and_index(data):
    epochs = []
    for workers, first in ((0, 0), (2, 0), (0, 1)):
        batches = ShuffledBatches(len(data), 4)
        batches.resume_at(1, first)
        loader = make_train_loader(data, batches, workers)
        both = []
        for epoch in (0, 1):
            batches.set_epoch(epoch)
            torch.manual_seed(workers)
            before = torch.get_rng_state()
            values = {
                index: tuple(value.tolist())
                for batch in loader
                for index, value in zip(batch["index"], batch["value"], strict=True)
            }
            # The generator of the network is left as it was, but for the seed of the workers.
            assert workers or torch.equal(torch.rand(1), _next(before))
            both.append(values)
        epochs.append(both)
    assert epochs[0] == epochs[1] and epochs[0][0] != epochs[0][1]
    assert len(epochs[2][1]) == 8 and epochs[2][1].items() <= epochs[0][1].items()


def _next(state):
    torch.set_rng_state(state)
    torch.empty((), dtype=torch.int64).random_()
    return torch.rand(1)


def test_data_sets_can_be_pickled_for_spawned_workers(photos):
    """Windows and macOS spawn their worker processes."""
    data = ImageClassificationData(str(photos), batch_size=4, num_workers=0)
    for split in ("train", "val", "test"):
        again = pickle.loads(pickle.dumps(data.dataset(split)))
        assert again[0]["image"].shape == (3, 64, 64)
    scenes = pickle.loads(pickle.dumps(ScenesClassificationData(8, num_workers=0).dataset("train")))
    assert scenes[3]["image"].shape == (3, 64, 64)


class Threads(Dataset):
    """The number of OpenCV's threads in the process that loads a sample."""

    def __len__(self):
        return 4

    def __getitem__(self, index):
        cv2.resize(np.zeros((512, 512), np.uint8), (700, 700))
        return {"threads": torch.tensor(cv2.getNumThreads())}


def test_loading_processes_do_without_opencvs_threads():
    """A forked process may wait forever for a thread that exists in the main process only."""
    before = cv2.getNumThreads()
    cv2.setNumThreads(4)
    try:
        cv2.resize(np.zeros((512, 512), np.uint8), (700, 700))
        loaders = [
            make_loader(Threads(), 1, 2),
            make_train_loader(Threads(), ShuffledBatches(4, 1, 0, 1), 2),
        ]
        for loader in loaders:
            loader.timeout = 60
            assert [int(batch["threads"]) for batch in loader] == [1] * 4
        assert cv2.getNumThreads() == 4
    finally:
        cv2.setNumThreads(before)


class Reports(Dataset):
    """What a thread of a loading process reports."""

    def __len__(self):
        return 1

    def __getitem__(self, index):
        for error in (EOFError("eof"), ConnectionResetError("reset"), ValueError("defect")):
            sys.excepthook(type(error), error, None)
        return {"index": torch.tensor(index)}


def test_a_loading_process_does_not_report_that_the_main_process_ended(capfd):
    for _ in make_loader(Reports(), 1, 1):
        pass
    assert capfd.readouterr().err == "ValueError: defect\n"


def test_a_part_of_the_validation_samples_is_evenly_spread():
    data = ScenesClassificationData(count=40, num_workers=0, batch_size=4)
    every = [name for batch in data.val_dataloader() for name in batch["source"]]
    data.validated = 4
    some = [name for batch in data.val_dataloader() for name in batch["source"]]
    assert some == evenly_spaced(every, 4)
    data.validated = 1000
    assert [name for batch in data.val_dataloader() for name in batch["source"]] == every
