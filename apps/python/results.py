"""The result of a model for one image: its entries, a drawing, and forms for other libraries."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, overload

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from visus.apps.drawing import draw_prediction
from visus.apps.parsing import did_you_mean
from visus.vision.errors import VisusError
from visus.vision.frames import Frame
from visus.vision.images import Pixels, read_image
from visus.vision.output_files import refuse_overwriting, write_image
from visus.vision.prediction import (
    Item,
    Itemised,
    Masked,
    Prediction,
    Selectable,
    Thresholded,
)

if TYPE_CHECKING:
    import pandas  # type: ignore[import-untyped]

Index: TypeAlias = "str | slice | Sequence[int] | Sequence[bool] | Sequence[str] | NDArray[Any]"
"""What selects entries: a label or several, a slice, numbers, or a boolean mask."""

_NOTEBOOK_SIDE = 1024
"""Longer side of the image in a notebook, in pixels."""


class Result:
    """The prediction for one image, as a sequence of its entries: detections, faces, classes...

    `len(result)`, `for item in result` and `result[0]` give its entries; `result["dog"]`,
    `result[result.scores > 0.5]` and `result[:3]` give a result with these entries alone.

    Attributes:
        prediction: The task's prediction, with all that the task computes; see
            `visus.tasks.<task>.prediction`.
        source: Path or address of the image, or `image` and its position in a list.
        index: Index of the frame in its video; None for a single image.
        time: Seconds since the start of the video; None for a single image.
        size: (height, width) of the image in pixels.
        names: Names of all classes of the model.
    """

    def __init__(
        self,
        prediction: Prediction,
        frame: Frame,
        names: tuple[str, ...],
        keep_image: bool = True,
        conceal: Callable[[Pixels, Prediction], Pixels] | None = None,
    ) -> None:
        self._conceal = None if conceal is None else partial(_concealed, conceal, prediction)
        if isinstance(prediction, Thresholded):
            prediction = prediction.above_threshold()
        self.prediction = prediction
        self.source, self.index, self.time = frame.source, frame.index, frame.time
        self.size = (int(frame.image.shape[0]), int(frame.image.shape[1]))
        self.names = names
        self._pixels = frame.image if keep_image else None
        self._place = frame.to_json()
        self._items = _items(prediction)

    @property
    def image(self) -> Pixels:
        """The image, uint8 RGB of shape (height, width, 3); one of many files is read again."""
        if self._pixels is not None:
            return self._pixels
        image = read_image(self.source)
        return image if self._conceal is None else self._conceal(image)

    @property
    def task(self) -> str:
        """Name of the task."""
        return self.prediction.task

    @property
    def labels(self) -> list[str]:
        """The label of each entry."""
        return [item.label for item in self._items]

    @property
    def scores(self) -> NDArray[np.float32]:
        """The score of each entry, shape (N,), 0 to 1; NaN where there is none."""
        return np.array([item.score for item in self._items], np.float32)

    @property
    def boxes(self) -> NDArray[np.float32]:
        """The box of each entry, shape (N, 4), (x1, y1, x2, y2) in pixels of the image.

        Raises:
            VisusError: If the entries have no position.
        """
        if not isinstance(self.prediction, Selectable):
            raise VisusError(f"a result of {self.task} has no boxes; it describes the whole image")
        return np.array([item.box for item in self._items], np.float32).reshape(-1, 4)

    @property
    def masks(self) -> NDArray[np.bool_]:
        """The mask of each entry, bool of shape (N, height, width).

        Raises:
            VisusError: If the model predicts no masks of objects.
        """
        masks = self.prediction.masks() if isinstance(self.prediction, Masked) else None
        if masks is None:
            raise VisusError(f"this model of {self.task} predicts no masks of objects")
        return masks

    def __len__(self) -> int:
        """Number of entries."""
        return len(self._items)

    def __iter__(self) -> Iterator[Item]:
        """The entries, the most important first."""
        return iter(self._items)

    @overload
    def __getitem__(self, index: int) -> Item: ...

    @overload
    def __getitem__(self, index: Index) -> Result: ...

    def __getitem__(self, index: int | Index) -> Item | Result:
        """An entry by its number; or a result with the entries of a label, a mask or a slice.

        Raises:
            IndexError: If there is no such number, or a mask has another length.
            VisusError: If there is no such label, or the entries cannot be separated.
        """
        if isinstance(index, int | np.integer):
            return self._items[index]
        if not isinstance(self.prediction, Selectable):
            raise VisusError(
                f"a result of {self.task} describes the whole image, its entries cannot be "
                "selected; iterate over them"
            )
        chosen = self._numbers(index)
        result = object.__new__(Result)
        result.__dict__.update(self.__dict__)
        result.prediction = self.prediction.select(chosen)
        result._items = [self._items[i] for i in chosen]
        return result

    def plot(self) -> Pixels:
        """The image with the prediction drawn on it, uint8 RGB of shape (height, width, 3)."""
        return draw_prediction(self.image, self.prediction, still=self.index is None)

    def save(self, path: str | Path) -> Path:
        """Write the drawn image, in the format of the file name's ending.

        Raises:
            VisusError: If it cannot be written, or is the image itself.
        """
        path = Path(path)
        refuse_overwriting(path, self.source)
        write_image(path, self.plot())
        return path

    def summary(self) -> str:
        """One line of text."""
        return self.prediction.summary()

    def to_json(self) -> dict[str, Any]:
        """Plain values for `json.dumps`: the line that `visus predict --jsonl` writes."""
        return self._place | self.prediction.to_json()

    def to_pandas(self) -> pandas.DataFrame:
        """A table with a row for each entry: source, label, score, x1, y1, x2, y2 and details.

        Raises:
            VisusError: If pandas is not installed.
        """
        try:
            import pandas
        except ImportError as error:
            raise VisusError(f"to_pandas(): {error}; pip install pandas") from None
        columns = ["source", *(["frame"] if self.index is not None else []), "label", "score"]
        if isinstance(self.prediction, Selectable):
            columns += ["x1", "y1", "x2", "y2"]
        rows = []
        for item in self._items:
            sides = zip(("x1", "y1", "x2", "y2"), item.box or (), strict=False)
            row = {"source": self.source, "label": item.label, "score": item.score, **dict(sides)}
            if self.index is not None:
                row["frame"] = self.index
            rows.append({**row, **item.details})
        columns += [key for row in rows for key in row if key not in columns]
        return pandas.DataFrame(rows, columns=list(dict.fromkeys(columns)))

    def to_supervision(self) -> Any:
        """The entries as `supervision.Detections`, with the labels as `data["class_name"]`.

        Raises:
            VisusError: If supervision is not installed, or the entries have no boxes.
        """
        boxes = self.boxes
        try:
            import supervision  # type: ignore[import-not-found]
        except ImportError as error:
            raise VisusError(f"to_supervision(): {error}; pip install supervision") from None

        def numbers(name: str) -> NDArray[np.int64] | None:
            values = [item.details.get(name) for item in self._items]
            return None if None in values else np.array(values, np.int64)

        masks = self.prediction.masks() if isinstance(self.prediction, Masked) else None
        return supervision.Detections(
            xyxy=boxes,
            mask=masks,
            confidence=self.scores,
            class_id=numbers("class_id"),
            tracker_id=numbers("track") if len(self) else None,
            data={"class_name": np.array(self.labels, str)},
        )

    def __repr__(self) -> str:
        """The source, the size and a summary."""
        frame = "" if self.index is None else f" frame {self.index}"
        height, width = self.size
        return f"<Result of {self.source}{frame}, {width}x{height}: {self.summary()}>"

    def _repr_png_(self) -> bytes:
        """The drawn image, for notebooks."""
        image = Image.fromarray(self.plot())
        image.thumbnail((_NOTEBOOK_SIDE, _NOTEBOOK_SIDE))
        file = io.BytesIO()
        image.save(file, "PNG")
        return file.getvalue()

    def _numbers(self, index: Index) -> NDArray[np.int64]:
        """The numbers of the entries that an index selects."""
        if isinstance(index, str):
            index = [index]
        if isinstance(index, slice):
            return np.arange(len(self), dtype=np.int64)[index]
        values = np.asarray(index)
        if values.dtype.kind in "US":
            labels = [str(value) for value in values]
            self._refuse_unknown(labels)
            return np.flatnonzero(np.isin(np.array(self.labels, str), labels))
        if not values.size and values.dtype != np.bool_:
            values = values.astype(np.int64)
        chosen: NDArray[np.int64] = np.arange(len(self), dtype=np.int64)[values]
        return chosen

    def _refuse_unknown(self, labels: list[str]) -> None:
        known = {*self.names, *self.labels}
        for label in labels:
            if self.names and label not in known:
                names = ", ".join(self.names[:10]) + (", ..." if len(self.names) > 10 else "")
                remedy = did_you_mean(label, known) or f"; the classes are {names}"
                raise VisusError(f"there is no class {label!r}{remedy}")


def _concealed(
    conceal: Callable[[Pixels, Prediction], Pixels], prediction: Prediction, image: Pixels
) -> Pixels:
    return conceal(image, prediction)


def _items(prediction: Prediction) -> list[Item]:
    """The entries of a prediction; one without a label where it does not list them."""
    if isinstance(prediction, Itemised):
        return prediction.items()
    plain = {k: v for k, v in prediction.to_json().items() if k != "task"}
    details = {
        key: value if isinstance(value, str | int | float) else json.dumps(value)
        for key, value in plain.items()
    }
    return [Item("", float("nan"), None, details)]
