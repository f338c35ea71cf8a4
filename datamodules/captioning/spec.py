"""The interface of captioning data for the applications."""

from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from visus.datamodules.core.spec import ALLOW_OUTSIDE, DataReport, DataSpec

if TYPE_CHECKING:
    from visus.datamodules.captioning.files import CaptionListing
    from visus.datamodules.core.base import VisionDataModule


class CaptioningDataSpec(DataSpec):
    """Images with captions, in a CSV, JSON or text file."""

    task = "captioning"
    options = (ALLOW_OUTSIDE,)
    conversions = ("shards",)
    sample_folder = "captioned"

    def data_modules(self) -> "tuple[type[VisionDataModule[Any]], ...]":
        """See `DataSpec.data_modules`."""
        from visus.datamodules.captioning.clips import ClipCaptioningData
        from visus.datamodules.captioning.data import ImageCaptioningData
        from visus.datamodules.captioning.moving_scenes import MovingScenesCaptioningData
        from visus.datamodules.captioning.scenes import ScenesCaptioningData

        return (
            ImageCaptioningData,
            ClipCaptioningData,
            ScenesCaptioningData,
            MovingScenesCaptioningData,
        )

    def recognise(self, path: Path) -> str:
        """See `DataSpec.recognise`."""
        from visus.datamodules.captioning.files import is_captions

        return "captions" if is_captions(path) else ""

    def check(self, path: Path, values: Mapping[str, Any]) -> DataReport:
        """See `DataSpec.check`."""
        from visus.datamodules.captioning.clip_files import (
            check_clip_captions,
            is_captioned_clips,
            read_clip_labels,
        )
        from visus.datamodules.captioning.files import read_captions

        allow_outside = values[ALLOW_OUTSIDE.name]
        if is_captioned_clips(path):
            listing = check_clip_captions(read_clip_labels(path, allow_outside), path)
        else:
            listing = read_captions(path, allow_outside)
        return _report(listing, path)

    def check_module(self, data: "VisionDataModule[Any]") -> DataReport:
        """See `DataSpec.check_module`."""
        from visus.datamodules.captioning.data import ImageCaptioningData

        if not isinstance(data, ImageCaptioningData):
            return super().check_module(data)
        return _report(data.read_listing(), data.root)

    def write_sample(self, folder: Path) -> None:
        """See `DataSpec.write_sample`."""
        from visus.datamodules.captioning.samples import write_csv

        write_csv(folder)

    def sample_layouts(self) -> "Mapping[str, Callable[[Path], None]]":
        """See `DataSpec.sample_layouts`."""
        from visus.datamodules.captioning.samples import write_clips, write_coco, write_flickr

        return {"clips": write_clips, "coco": write_coco, "flickr8k": write_flickr}


def _report(listing: "CaptionListing", root: Path) -> DataReport:
    """Images, captions and words of each split."""
    from rich.table import Table

    from visus.datamodules.core.pairing import linked_line
    from visus.vision.vocabulary import tokenise

    splits = sorted({image.split for image in listing.samples})
    table = Table("", *(split or "all" for split in splits))
    members = [[image for image in listing.samples if image.split == split] for split in splits]
    captions = [[tokenise(text) for each in images for text in each.captions] for images in members]
    table.add_row("images", *(str(len(images)) for images in members))
    table.add_row("captions", *(str(len(each)) for each in captions))
    words = [Counter(word for caption in each for word in caption) for each in captions]
    table.add_row("distinct words", *(str(len(counts)) for counts in words))
    rare = [sum(count < 3 for count in counts.values()) for counts in words]
    table.add_row("of these fewer than three times", *map(str, rare))
    lengths = [sorted(len(caption) for caption in each) for each in captions]
    ranges = [f"{n[0]} to {n[-1]}, median {n[len(n) // 2]}" for n in lengths]
    table.add_row("words of a caption", *ranges)
    return DataReport([table, *linked_line(root)], listing.problems)
