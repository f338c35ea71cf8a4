"""Samples as records of JSON, and back."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Generic, TypeVar

from pydantic import TypeAdapter

from visus.vision.output_files import encode_utf8

Sample = TypeVar("Sample")

_FILES = {"stored": "image", "stored_mask": "mask"}
"""Attributes of samples that say where a file lies in the shards, and the kind of that file."""


class SampleCodec(Generic[Sample]):
    """Converts the samples of a task to records and back.

    A record holds all that the labels say of a sample, but no path of the machine on which it was
    written.

    Args:
        kind: The dataclass of the samples, with the attributes `place` and `stored`, and
            `stored_mask` if they have masks.
        image: Its attribute with the image file.
        mask: Its attribute with the mask, if that may be a file.
    """

    def __init__(self, kind: type[Sample], image: str, mask: str = "") -> None:
        self._kind = kind
        self._image = image
        self._mask = mask
        self._adapter: TypeAdapter[Sample] = TypeAdapter(kind)

    def __reduce__(self) -> tuple[Any, ...]:
        """A copy in another process; adapters cannot be pickled."""
        return SampleCodec, (self._kind, self._image, self._mask)

    def files(self, sample: Sample) -> dict[str, Path]:
        """The files of a sample: `image`, and `mask` if it has one in a file."""
        files = {"image": Path(getattr(sample, self._image))}
        mask = getattr(sample, self._mask) if self._mask else None
        return files | ({"mask": mask} if isinstance(mask, Path) else {})

    def encode(self, sample: Sample, name: str) -> bytes:
        """The record of a sample, as JSON.

        Args:
            sample: The sample.
            name: Its name, which replaces all paths.
        """
        values = self._adapter.dump_python(sample, mode="json", exclude={"place", *_FILES})
        values[self._image] = name
        if "mask" in self.files(sample):
            values[self._mask] = name
        record = _with_places(values, name)
        text = json.dumps(record, ensure_ascii=False, separators=(",", ":"))
        return encode_utf8(text, name)

    def decode(self, record: bytes, files: Callable[[str], Mapping[str, object]]) -> Sample:
        """The sample of a record.

        Args:
            record: As `encode` returned it.
            files: From the name of a sample to where its `image` lies, and its `mask`.
        """
        values: dict[str, Any] = json.loads(record)
        name = values["place"] = values[self._image]
        found = files(name)
        values |= {key: found[kind] for key, kind in _FILES.items() if kind in found}
        return self._adapter.validate_python(values)


def _with_places(value: Any, name: str) -> Any:
    """The same values with another place of each object."""
    if isinstance(value, dict):
        return {key: name if key == "place" else _with_places(v, name) for key, v in value.items()}
    return [_with_places(each, name) for each in value] if isinstance(value, list) else value
