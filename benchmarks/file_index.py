"""Time and memory that a data set of many files takes at the start of a training.

Writes tiny images of different content into class folders and reads them as `visus fit` does, in
one process each: at the first start, which decodes every file, and at the second, which finds the
results in the index of files. Then a worker process reads all sources of the data set. Usage:

python benchmarks/file_index.py [--entries 1000000] [--folder FOLDER]
"""

import argparse
import gc
import io
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
import zlib
from pathlib import Path

import numpy as np
from PIL import Image

CLASSES = 1000


def write_images(root: Path, count: int) -> None:
    """Write PNG files of 8 x 8 pixels, each with a comment of its own."""
    encoded = io.BytesIO()
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(encoded, "png")
    # The last chunk of a PNG takes twelve bytes.
    head, end = encoded.getvalue()[:-12], encoded.getvalue()[-12:]
    for i in range(count):
        folder = root / f"class{i % CLASSES:03d}"
        if i < CLASSES:
            folder.mkdir(parents=True)
        comment = b"tEXtn\0%d" % i
        chunk = (len(comment) - 4).to_bytes(4) + comment + zlib.crc32(comment).to_bytes(4)
        with open(f"{folder}/image{i:07d}.png", "wb") as file:
            file.write(head + chunk + end)


def start(root: Path) -> None:
    """Read the data set as a training does; prints the figures as JSON."""
    from visus.datamodules.classification.data import ImageClassificationData
    from visus.datamodules.registry import recognise

    memory = _resident()
    began, processor = time.perf_counter(), time.process_time()
    recognise(root)
    data = ImageClassificationData(str(root), num_workers=0)
    datasets = [data.dataset(split) for split in ("train", "val")]
    seconds, processor = time.perf_counter() - began, time.process_time() - processor
    count = len(data.listing.samples)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    figures = {
        "elapsed": seconds / count * 1e6,
        "processor": processor / count * 1e6,
        "peak": (peak - memory) / count,
        "kept": (_resident() - memory) / count,
        "worker": _copied_by_worker(datasets[0]) / count,
    }
    print(json.dumps(figures))


def _copied_by_worker(dataset: object) -> int:
    """Bytes of private memory that a worker process gains by reading every source."""
    from visus.datamodules.core.loading_processes import LoadingProcess

    receiver, sender = os.pipe()
    if not os.fork():
        try:
            LoadingProcess(1)(0)
            before = _private()
            for _ in dataset.sources:  # type: ignore[attr-defined]
                pass
            gc.collect()
            os.write(sender, str(_private() - before).encode())
        finally:
            os._exit(0)
    os.wait()
    os.close(sender)
    with os.fdopen(receiver) as file:
        return int(file.read())


def _resident() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def _private() -> int:
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return 1024 * sum(int(line.split()[1]) for line in lines if line.startswith("Private_Dirty"))


def main() -> None:
    """Print a table of both starts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--entries", type=int, default=1_000_000, help="number of images")
    parser.add_argument("--folder", type=Path, help="where they are written, and removed again")
    parser.add_argument("--start", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.start:
        start(arguments.start)
        return
    with tempfile.TemporaryDirectory(dir=arguments.folder) as scratch:
        root = Path(scratch) / "photos"
        write_images(root, arguments.entries)
        # Results of files that were just written are not kept.
        time.sleep(2)
        print(f"{arguments.entries:,} images in {CLASSES:,} folders, {os.cpu_count()} cores")
        for name in ("first start", "second start"):
            command = [sys.executable, __file__, "--start", str(root)]
            environment = {**os.environ, "VISUS_CACHE": str(Path(scratch) / "cache")}
            done = subprocess.run(
                command, env=environment, stdout=subprocess.PIPE, text=True, check=True
            )
            figures = json.loads(done.stdout)
            print(
                f"{name}: {figures['elapsed']:.1f} us a file ({figures['processor']:.1f} us of "
                f"processor time); bytes a file: {figures['peak']:.0f} at most, "
                f"{figures['kept']:.0f} afterwards, {figures['worker']:.1f} copied by a worker"
            )
        size = sum(file.stat().st_size for file in (Path(scratch) / "cache").rglob("*.sqlite"))
        print(f"index: {size / arguments.entries:.0f} bytes a file")


if __name__ == "__main__":
    main()
