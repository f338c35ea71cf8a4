"""The specification of face recognition data, free of torch."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from visus.datamodules.core.spec import DataOption, DataReport, DataSpec

if TYPE_CHECKING:
    from visus.datamodules.core.base import VisionDataModule
    from visus.datamodules.core.problems import Problem
    from visus.datamodules.face_recognition.files import FaceImage


class FaceRecognitionDataSpec(DataSpec):
    """A folder of images for each person."""

    task = "face_recognition"
    options = (
        DataOption("--aligned", "the images are aligned faces", None, default=False),
        DataOption("--min-face", "side of the smallest face to detect, 40 pixels", int, default=40),
    )
    sample_folder = "people"

    def data_modules(self) -> "tuple[type[VisionDataModule[Any]], ...]":
        """See `DataSpec.data_modules`."""
        from visus.datamodules.face_recognition.data import PeopleData

        return (PeopleData,)

    def recognise(self, path: Path) -> str:
        """Never: folders of people look like those of classes, and need `--task`."""
        return ""

    def check(self, path: Path, values: Mapping[str, Any]) -> DataReport:
        """See `DataSpec.check`."""
        return _check(path, align=not values["aligned"], min_face=values["min_face"])

    def check_module(self, data: "VisionDataModule[Any]") -> DataReport:
        """See `DataSpec.check_module`."""
        from visus.datamodules.face_recognition.data import PeopleData

        assert isinstance(data, PeopleData)
        return _check(data.root, data.align, data.min_face)

    def write_sample(self, folder: Path) -> None:
        """See `DataSpec.write_sample`."""
        from visus.datamodules.face_recognition.samples import write_people

        write_people(folder)

    def sample_layouts(self) -> "Mapping[str, Callable[[Path], None]]":
        """See `DataSpec.sample_layouts`."""
        from visus.datamodules.face_recognition.samples import write_pairs

        return {"pairs": write_pairs}


def _check(root: Path, align: bool, min_face: int) -> DataReport:
    from visus.datamodules.core.pairing import linked_line
    from visus.datamodules.face_recognition.files import list_people, select_faces
    from visus.models.faces.mtcnn import create_face_finder

    listed, unread = list_people(root)
    stages = create_face_finder().stages() if align else None
    usable, problems = select_faces(listed, stages, min_face)
    report = _report(listed, usable, [*unread, *problems])
    return replace(report, lines=[*report.lines, *linked_line(root)])


def _report(
    listed: "Sequence[FaceImage]", usable: "Sequence[FaceImage]", problems: "Sequence[Problem]"
) -> DataReport:
    """People and images of each split, and the sizes of the faces."""
    from collections import Counter
    from statistics import median_high

    from rich.table import Table

    splits = sorted({image.split for image in listed})
    table = Table("", *(split or "all" for split in splits))
    by_split = [[image for image in usable if image.split == split] for split in splits]
    counts = [Counter(image.person for image in images) for images in by_split]
    table.add_row("people", *(str(len(count)) for count in counts))
    # Only these form pairs of one person.
    several = [sum(times > 1 for times in count.values()) for count in counts]
    table.add_row("people with several images", *map(str, several))
    table.add_row("images with a face", *(str(len(images)) for images in by_split))
    lines: list[Table | str] = [table]
    sides = [float(image.face.sides[0]) for image in usable if image.face is not None]
    if sides:
        lines.append(
            f"faces of {min(sides):.0f} to {max(sides):.0f} px, median {median_high(sides):.0f} px"
        )
    return DataReport(lines, problems)
