"""What --engine ray costs beside a prediction on one machine.

python benchmarks/ray_engine.py MODEL

The time of each is that of 5,000 images less that of 512, so that starting does not count.
"""

import argparse
import shutil
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from visus.apps.cli import main as visus
from visus.vision.output_files import write_image
from visus.vision.scenes import make_scene

_FEW, _MANY = 512, 5000


def main() -> None:
    """Print both rates and their ratio."""
    parser = argparse.ArgumentParser()
    parser.add_argument("model", help="an exported file")
    args = parser.parse_args()
    with TemporaryDirectory() as name:
        folder = Path(name)
        for i in range(50):
            write_image(folder / f"{i}.jpg", make_scene(i, (480, 640)).image)
        for count in (_FEW, _MANY):
            (folder / str(count)).mkdir()
            for i in range(count):
                shutil.copy(folder / f"{i % 50}.jpg", folder / str(count) / f"{i:05d}.jpg")
        rates = {}
        for engine in ("local", "ray"):
            seconds = {}
            for count in (_FEW, _MANY):
                words = ["predict", args.model, str(folder / str(count))]
                words += ["--jsonl", str(folder / f"{engine}-{count}")]
                start = time.perf_counter()
                assert visus([*words, *(["--engine", "ray"] if engine == "ray" else [])]) == 0
                seconds[count] = time.perf_counter() - start
            rates[engine] = (_MANY - _FEW) / (seconds[_MANY] - seconds[_FEW])
            print(f"{engine}: {seconds} s, {rates[engine]:.1f} images/s without starting")
        print(f"overhead of ray {rates['local'] / rates['ray'] - 1:+.1%}")


if __name__ == "__main__":
    main()
