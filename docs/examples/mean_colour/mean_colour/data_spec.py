"""What the applications know of the data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from visus.datamodules.core.spec import DataReport, DataSpec

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from visus.datamodules.core.base import VisionDataModule


class MeanColourDataSpec(DataSpec):
    """A folder of images."""

    task = "mean_colour"

    def data_modules(self) -> tuple[type[VisionDataModule[Any]], ...]:
        """See `DataSpec.data_modules`."""
        from mean_colour.data import MeanColourData

        return (MeanColourData,)

    def recognise(self, path: Path) -> str:
        """See `DataSpec.recognise`; any folder of images would do, so it must be asked for."""
        return ""

    def check(self, path: Path, values: Mapping[str, Any]) -> DataReport:
        """See `DataSpec.check`."""
        from mean_colour.data import MeanColourData

        return self.check_module(MeanColourData(str(path)))

    def check_module(self, data: VisionDataModule[Any]) -> DataReport:
        """See `DataSpec.check_module`."""
        from mean_colour.data import MeanColourData, read_samples

        assert isinstance(data, MeanColourData)
        samples, problems = read_samples(data.root)
        return DataReport([f"{len(samples)} readable images"], problems)
