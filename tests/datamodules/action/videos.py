"""Writes small videos of clips."""

import numpy as np

from visus.vision.videos.writer import write_video

SIZE = (48, 64)
"""(height, width) in pixels."""


def numbered_frames(count, seed=0, size=SIZE):
    """Frames on a textured background whose brightness is 5 times their number."""
    rng = np.random.default_rng(seed)
    texture = np.kron(rng.integers(0, 40, (size[0] // 8, size[1] // 8, 3)), np.ones((8, 8, 1)))
    return [(texture + 5 * i).clip(0, 255).astype(np.uint8) for i in range(count)]


def save_clip(path, seconds=2.0, seed=0, rate=10):
    """A video whose frames grow brighter by 5 from one to the next; every seed looks different."""
    write_video(path, numbered_frames(round(seconds * rate), seed), rate)
    return path


def save_classes(root, each=4, classes=("clap", "jump"), seconds=2.0, first=0):
    """A folder for each class."""
    for number, name in enumerate(classes):
        for i in range(each):
            save_clip(root / name / f"{i}.mp4", seconds, first + 100 * number + i)
    return root


def save_csv(root, rows, columns="file,start,end,label"):
    """A `clips.csv`."""
    root.mkdir(parents=True, exist_ok=True)
    (root / "clips.csv").write_text("\n".join([columns, *rows]) + "\n")
    return root
