"""Write the masks of predictions as PNG files into a folder."""

from pathlib import Path

from visus.tasks.segmentation.prediction import SegmentationPrediction
from visus.vision.errors import VisusError
from visus.vision.frames import Frame
from visus.vision.output_files import OutputNames, replacing
from visus.vision.prediction import Prediction


class MaskFiles:
    """Writes the mask of each image, and of each frame of a video, as a PNG of class ids.

    Args:
        folder: Where the files are written.
    """

    def __init__(self, folder: Path) -> None:
        self.names = OutputNames(folder)

    def __call__(self, frame: Frame, prediction: Prediction) -> None:
        """Write the mask of one frame.

        Raises:
            VisusError: If the file exists already, or cannot be written.
        """
        assert isinstance(prediction, SegmentationPrediction)
        path = self.names.name(frame.source, f"{frame.number}.png")
        if path.exists():
            # It may be a true mask, or an image that is yet to be read.
            raise VisusError(f"--masks {path}: exists already; use another folder, or remove it")
        with replacing(path) as part:
            part.write_bytes(prediction.png())
