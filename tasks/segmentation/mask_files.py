"""Masks of class ids as PNG files beside each other in a folder."""

from pathlib import Path

from visus.tasks.segmentation.prediction import SegmentationPrediction
from visus.vision.errors import VisusError
from visus.vision.frames import Frame
from visus.vision.output_files import OutputNames
from visus.vision.prediction import Prediction


class MaskFiles:
    """Writes the mask of each image, and of each frame of a video, as a PNG.

    Args:
        folder: Where to.
    """

    def __init__(self, folder: Path) -> None:
        self.names = OutputNames(folder)

    def __call__(self, frame: Frame, prediction: Prediction) -> None:
        """Write one.

        Raises:
            VisusError: If the prediction is no mask, or the file cannot be written.
        """
        if not isinstance(prediction, SegmentationPrediction):
            raise VisusError("--masks is for segmenters; this model gives no masks")
        number = "" if frame.index is None else f"-{frame.index:06d}"
        path = self.names.name(frame.source, f"{number}.png")
        if path.exists():
            # It may be a true mask, or an image that is yet to be read.
            raise VisusError(f"--masks {path}: exists already; name another folder, or remove it")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(prediction.png())
        except OSError as error:
            raise VisusError(f"{path}: cannot be written ({error.strerror})") from None
