"""A tiny data set of procedural scenes in each format of captions."""

import csv
import json
from collections.abc import Iterator
from pathlib import Path

from visus.datamodules.captioning.clip_files import CLIPS_FILE
from visus.datamodules.captioning.described_motion import DescribedMotion
from visus.vision.images import Pixels
from visus.vision.output_files import replacing, write_image, write_text
from visus.vision.scenes import make_scene
from visus.vision.videos.writer import write_video

_CLIPS = 12
_RATE = 10
"""Frames/s of the clips."""

_SPLITS = {"train": "trainImages", "val": "devImages"}


def write_csv(folder: Path) -> None:
    """A `captions.csv`."""
    rows = [("image", "caption")]
    for name, image, captions in _captioned():
        write_image(folder / name, image)
        rows += [(name, caption) for caption in captions]
    with replacing(folder / "captions.csv") as part, part.open("w", newline="") as file:
        csv.writer(file).writerows(rows)


def write_clips(folder: Path) -> None:
    """A `clips.csv` of videos."""
    rows = [("video", "caption", "split")]
    for seed in range(_CLIPS):
        motion = DescribedMotion(seed, (96, 96))
        count = round(_RATE * motion.seconds)
        frames = (motion.frame(i / _RATE) for i in range(count))
        name = f"videos/{seed}.mp4"
        write_video(folder / name, frames, _RATE)
        rows.append((name, motion.caption, "val" if seed % 4 == 3 else "train"))
    with replacing(folder / CLIPS_FILE) as part, part.open("w", newline="") as file:
        csv.writer(file).writerows(rows)


def write_coco(folder: Path) -> None:
    """COCO's JSON of captions, one file for each split."""
    for split, entries in _by_split().items():
        images: list[dict[str, object]] = []
        annotations: list[dict[str, object]] = []
        for i, (name, image, captions) in enumerate(entries):
            write_image(folder / split / name, image)
            images.append({"id": i, "file_name": name})
            for caption in captions:
                number = len(annotations) + 1
                annotations.append({"id": number, "image_id": i, "caption": caption})
        content = {"images": images, "annotations": annotations}
        write_text(folder / "annotations" / f"captions_{split}.json", json.dumps(content))


def write_flickr(folder: Path) -> None:
    """Flickr8k's text files of captions and of the images of each split."""
    lines = []
    for split, entries in _by_split().items():
        for name, image, captions in entries:
            write_image(folder / "images" / name, image)
            lines += [f"{name}#{i}\t{caption}\n" for i, caption in enumerate(captions)]
        names = "".join(f"{name}\n" for name, _, _ in entries)
        write_text(folder / f"Flickr_8k.{_SPLITS[split]}.txt", names)
    write_text(folder / "Flickr8k.token.txt", "".join(lines))


def _captioned() -> Iterator[tuple[str, Pixels, tuple[str, str]]]:
    """Eight images: name, image, and two captions."""
    for seed in range(8):
        scene = make_scene(seed, (96, 128))
        caption = scene.caption()
        captions = f"{caption.capitalize()}.", f"There is {caption}."
        yield f"scene{seed}.png", scene.image, captions


def _by_split() -> dict[str, list[tuple[str, Pixels, tuple[str, str]]]]:
    entries = list(_captioned())
    return {"train": entries[:6], "val": entries[6:]}
