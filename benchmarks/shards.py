"""Loading from shards against loading from the folder they were made from; memory of an index.

python benchmarks/shards.py --data PATH [--rounds 5] [--entries 10000000]

The images of the training split are decoded and augmented by one process, in turns from the folder
and from the shards; the ratio is that of the sums of all rounds but the first. Then an index of
generated entries is opened in a fresh process, a million random samples are built from it, and the
memory that the process does not share with the page cache is printed.
"""

import argparse
import random
import resource
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from visus.datamodules.classification.data import ImageClassificationData
from visus.datamodules.core.shards.index import ROW, Header, file_sum
from visus.datamodules.core.shards.location import INDEX, RECORDS, SAMPLES
from visus.datamodules.core.shards.writer import write_shards
from visus.datamodules.registry import recognise

_CHUNK = 100_000


def main() -> None:
    """Print the ratio of throughputs, and the memory for one entry."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", help="a folder of labelled images of any task")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--entries", type=int, default=10_000_000)
    parser.add_argument("--open", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.open:
        open_index(args.open)
        return
    with TemporaryDirectory() as folder:
        if args.data:
            compare(args.data, Path(folder) / "shards", args.rounds)
        if args.entries:
            generated = Path(folder) / "generated"
            generate(generated, args.entries)
            for entries in (args.entries // 100, args.entries):
                subprocess.run(
                    [sys.executable, __file__, "--open", f"{generated}:{entries}"], check=True
                )


def compare(data: str, output: Path, rounds: int) -> None:
    """Time the training samples of a folder and of the same in shards, in turns."""
    module = recognise(data)[0].data_modules()[0]
    folder = module(root=data, num_workers=0, skip_bad=True)  # type: ignore[call-arg]
    write_shards(folder.shard_source(), output)
    shards = module(root=str(output), num_workers=0)  # type: ignore[call-arg]
    sets = {"folder": folder.dataset("train"), "shards": shards.dataset("train")}
    seconds = dict.fromkeys(sets, 0.0)
    for each in range(rounds + 1):
        for name, dataset in sets.items():
            random.seed(each)
            start = time.perf_counter()
            for index in range(len(dataset)):  # type: ignore[arg-type]
                dataset[index]
            if each:
                seconds[name] += time.perf_counter() - start
    images = rounds * len(sets["folder"])  # type: ignore[arg-type]
    rates = {name: images / value for name, value in seconds.items()}
    print(
        f"{data}: folder {rates['folder']:.1f}, shards {rates['shards']:.1f} samples/s, ratio "
        f"{rates['shards'] / rates['folder']:.3f}"
    )


def generate(folder: Path, entries: int) -> None:
    """Write the index of a data set that does not exist."""
    folder.mkdir()
    record = (
        b'{"file":"class %02d/%09d.jpg","labels":["class %02d"],"split":"train","content":'
        b'"%064d","size":[256,256]}'
    )
    size = len(record % (0, 0, 0, 0))
    rows = np.lib.format.open_memmap(folder / SAMPLES, "w+", ROW, (entries,))
    with (folder / RECORDS).open("wb") as records:
        for start in range(0, entries, _CHUNK):
            numbers = range(start, min(start + _CHUNK, entries))
            records.write(b"".join(record % (i % 50, i, i % 50, i) for i in numbers))
            part = rows[start : numbers.stop]
            part["record_start"] = np.arange(start, numbers.stop) * size
            part["record_size"], part["image_size"] = size, 1
    rows.flush()
    header = Header(
        "classification",
        {"train": entries - entries // 10, "val": entries // 10, "test": 0},
        None,
        {"train-000000.tar": 0},
        {"class_names": [f"class {i:02d}" for i in range(50)], "multi_label": False},
        {name: file_sum(folder / name) for name in (SAMPLES, RECORDS)},
    )
    (folder / INDEX).write_text(header.to_json())
    (folder / "train-000000.tar").touch()


def open_index(place: str) -> None:
    """Open a generated index, build samples, and print time and memory."""
    folder, _, entries = place.rpartition(":")
    before = private_megabytes()
    start = time.perf_counter()
    data = ImageClassificationData(folder, num_workers=0, image_size=(224, 224))
    samples = data.splits["train"]
    seconds = time.perf_counter() - start
    chosen = random.Random(0)
    for _ in range(min(100_000, int(entries))):
        samples[chosen.randrange(min(len(samples), int(entries)))]
    grown = private_megabytes() - before
    print(
        f"{len(samples):,} training samples, of {int(entries):,} some are read: opened in "
        f"{seconds:.1f} s, {grown:.0f} MB of private memory, peak of the process "
        f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB with mapped files"
    )


def private_megabytes() -> float:
    """Memory of this process that is not a mapped file."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon")) / 1024


if __name__ == "__main__":
    main()
