"""Data of action recognition for the applications: recognising and checking them."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from visus.datamodules.core.spec import ALLOW_OUTSIDE, DataOption, DataReport, DataSpec

if TYPE_CHECKING:
    from visus.datamodules.action.checks import ClipListing
    from visus.datamodules.core.base import VisionDataModule


class ActionDataSpec(DataSpec):
    """Clips of videos with their classes."""

    task = "action"
    options = (
        ALLOW_OUTSIDE,
        DataOption(
            "--window",
            "seconds that the model sees at once, as data.seconds in training (default: 2)",
            kind=float,
            default=2.0,
        ),
    )
    sample_folder = "clips"

    def data_modules(self) -> "tuple[type[VisionDataModule[Any]], ...]":
        """See `DataSpec.data_modules`."""
        from visus.datamodules.action.data import VideoActionData
        from visus.datamodules.action.scenes import ScenesActionData

        return VideoActionData, ScenesActionData

    def recognise(self, path: Path) -> str:
        """See `DataSpec.recognise`."""
        from visus.datamodules.action.files import has_class_folders, is_clip_list

        if is_clip_list(path):
            return "a CSV of clips"
        return "class folders of videos" if has_class_folders(path) else ""

    def check(self, path: Path, values: Mapping[str, Any]) -> DataReport:
        """See `DataSpec.check`."""
        from visus.datamodules.action.checks import check_clips
        from visus.datamodules.action.files import read_labels
        from visus.datamodules.core.ranges import check_data_ranges

        check_data_ranges(seconds=values["window"])
        labels = read_labels(path, values[ALLOW_OUTSIDE.name])
        return _report(check_clips(labels, path, values["window"]), path)

    def check_module(self, data: "VisionDataModule[Any]") -> DataReport:
        """See `DataSpec.check_module`."""
        from visus.datamodules.action.data import VideoActionData

        if not isinstance(data, VideoActionData):
            return super().check_module(data)
        return _report(data.read_listing(), data.root)

    def write_sample(self, folder: Path) -> None:
        """See `DataSpec.write_sample`."""
        from visus.datamodules.action.samples import write_folders

        write_folders(folder)

    def sample_layouts(self) -> "Mapping[str, Callable[[Path], None]]":
        """See `DataSpec.sample_layouts`."""
        from visus.datamodules.action.samples import write_csv, write_several, write_splits

        return {"splits": write_splits, "csv": write_csv, "several_labels": write_several}


def _report(listing: "ClipListing", root: Path) -> DataReport:
    """Report the number of clips of each class and split, and their durations."""
    from rich.table import Table

    from visus.datamodules.core.class_labels import count_classes
    from visus.datamodules.core.pairing import linked_line
    from visus.vision.wording import counted

    clips = listing.samples
    splits = sorted({clip.split for clip in clips})
    table = Table("class", *(split or "clips" for split in splits))
    counts = [
        count_classes([clip for clip in clips if clip.split == split], listing.class_names)
        for split in splits
    ]
    for i, name in enumerate(listing.class_names):
        table.add_row(name, *(str(column[i]) for column in counts))
    lines: list[Table | str] = [table]
    if listing.multi_label:
        lines.append("several labels a clip")
    if clips:
        seconds = sorted(clip.seconds for clip in clips)
        heights, widths = (sorted(clip.size[axis] for clip in clips) for axis in (0, 1))
        videos = counted(len({clip.path for clip in clips}), "video")
        lines.append(
            f"{counted(len(clips), 'clip')} of {videos}, {seconds[0]:.1f} to {seconds[-1]:.1f} s "
            f"long, {widths[0]} to {widths[-1]} px wide, {heights[0]} to {heights[-1]} px high"
        )
    if listing.variable:
        lines.append(f"{counted(listing.variable, 'video')} with a variable frame rate")
    return DataReport([*lines, *linked_line(root)], listing.problems)
