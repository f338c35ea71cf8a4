"""The specification of the data of 3D faces, free of torch."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from visus.datamodules.core.spec import DataReport, DataSpec

if TYPE_CHECKING:
    from visus.datamodules.core.base import VisionDataModule


class Face3DDataSpec(DataSpec):
    """Rendered faces, and a folder of photographs that may accompany them."""

    task = "face3d"

    def data_modules(self) -> "tuple[type[VisionDataModule[Any]], ...]":
        """See `DataSpec.data_modules`."""
        from visus.datamodules.face3d.data import FaceRendersData

        return (FaceRendersData,)

    def recognise(self, path: Path) -> str:
        """See `DataSpec.recognise`: photographs without labels may be anything."""
        return ""

    def check(self, path: Path, values: Mapping[str, Any]) -> DataReport:
        """Detect the faces of a folder of photographs, as `--data.photographs` uses it."""
        from visus.datamodules.face3d.photographs import detect_photographs

        detected = detect_photographs(path)
        shown = len({face.path for face in detected.faces})
        line = f"{detected.count} photographs, {len(detected.faces)} usable faces in {shown}"
        return DataReport([line], detected.problems)
