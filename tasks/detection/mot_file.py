"""Write tracks in the text format of the MOT Challenge."""

from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from visus.tasks.detection.prediction import DetectionPrediction
from visus.vision.errors import VisusError
from visus.vision.frames import Frame
from visus.vision.output_files import unwritable
from visus.vision.prediction import Prediction
from visus.vision.wording import counted


class MotFile:
    """Writes `frame,id,x,y,width,height,confidence,-1,-1,-1` for each tracked object.

    Frames and pixels are counted from 1, as the format defines it. The file is complete up to the
    last frame at any time.

    Args:
        path: The file, which ends in `.txt`.

    Raises:
        VisusError: If it does not end so.
    """

    def __init__(self, path: Path) -> None:
        if path.suffix != ".txt":
            raise VisusError(f"--mot {path}: files of the MOT Challenge end in .txt")
        self._path = path
        self._file: TextIO | None = None
        self._rows = 0

    def __call__(self, frame: Frame, prediction: Prediction) -> None:
        """Write the objects of one frame.

        Raises:
            VisusError: If the file cannot be written.
        """
        assert isinstance(prediction, DetectionPrediction) and frame.index is not None
        shown = prediction.above_threshold()
        assert shown.tracks is not None
        rows = []
        for box, score, track in zip(
            shown.boxes.tolist(), shown.scores.tolist(), shown.tracks.tolist(), strict=True
        ):
            x1, y1, x2, y2 = box
            place = f"{x1 + 1:.2f},{y1 + 1:.2f},{x2 - x1:.2f},{y2 - y1:.2f}"
            rows.append(f"{frame.index + 1},{track},{place},{score:.4f},-1,-1,-1\n")
        try:
            if self._file is None:
                self._path.parent.mkdir(parents=True, exist_ok=True)
                self._file = open(self._path, "w", encoding="ascii", newline="\n")
            self._file.write("".join(rows))
            self._file.flush()
        except OSError as error:
            raise unwritable(f"--mot {self._path}", error) from None
        self._rows += len(rows)

    def close(self) -> Sequence[str]:
        """Close the file; returns a line on what was written."""
        if self._file is None:
            return []
        self._file.close()
        return [f"wrote {self._path}: {counted(self._rows, 'row')}"]
