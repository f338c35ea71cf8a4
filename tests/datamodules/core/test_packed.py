import os
import pickle
from pathlib import Path

import pytest

from visus.datamodules.core.loading import ImageDataset
from visus.datamodules.core.packed import PackedSequence

ITEMS = [Path("a/1.png"), "b/2.png", 3, ("c", 4.5), None]


def test_the_items_are_those_of_the_list():
    packed = PackedSequence(ITEMS)
    assert list(packed) == ITEMS and len(packed) == 5
    assert packed[-1] is None and packed[3] == ("c", 4.5)
    assert packed[1:4:2] == ITEMS[1:4:2]
    assert 3 in packed and packed.index(3) == 2
    assert list(PackedSequence(iter(ITEMS))) == ITEMS
    assert list(pickle.loads(pickle.dumps(packed))) == ITEMS
    assert list(PackedSequence([])) == []
    for index in (5, -6):
        with pytest.raises(IndexError):
            packed[index]


@pytest.mark.skipif(not os.path.exists("/proc/self/smaps_rollup"), reason="memory as Linux says it")
def test_a_forked_process_copies_nothing_when_it_reads_the_sources():
    import numpy as np

    paths = [f"/data/set/photos/class{i % 100}/{i:08d}.jpg" for i in range(50_000)]
    data = ImageDataset(paths, len, np.zeros(len(paths), np.int64), (8, 8), "crop")
    grown = grows(data.sources)
    # A list takes 100 bytes an item.
    assert grown < 10 * len(paths) < grows(paths)


def grows(items) -> int:
    """Bytes by which the private memory of a forked process grows when it reads the items."""
    receiver, sender = os.pipe()
    if not os.fork():
        try:
            before = private()
            for _ in items:
                pass
            os.write(sender, str(private() - before).encode())
        finally:
            os._exit(0)
    os.wait()
    os.close(sender)
    with os.fdopen(receiver) as file:
        return int(file.read())


def private() -> int:
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return 1024 * sum(int(line.split()[1]) for line in lines if line.startswith("Private_Dirty"))
