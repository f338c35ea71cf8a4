import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from visus.vision.errors import VisusError
from visus.vision.metadata import FORMAT, ModelMetadata, migrate

FORMAT_1 = {
    "format": 1,
    "task": "classification",
    "class_names": ["cat", "dog"],
    "image_size": [224, 224],
    "in_channels": 3,
    "fit_mode": "letterbox",
    "mean": [127.5, 127.5, 127.5],
    "std": [58.0, 57.0, 57.5],
    "options": {"multi_label": False},
}

numbers = st.floats(-1e6, 1e6)
plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**31), 2**31) | numbers | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=6,
)
metadata = st.integers(1, 5).flatmap(
    lambda channels: st.builds(
        ModelMetadata,
        task=st.text(min_size=1, max_size=8),
        class_names=st.lists(st.text(max_size=6), max_size=4).map(tuple),
        image_size=st.tuples(st.integers(1, 4096), st.integers(1, 4096)),
        in_channels=st.just(channels),
        resize_mode=st.sampled_from(["stretch", "letterbox", "crop"]),
        mean=st.lists(numbers, min_size=channels, max_size=channels).map(tuple),
        std=st.lists(numbers, min_size=channels, max_size=channels).map(tuple),
        options=st.dictionaries(st.text(max_size=5), plain, max_size=3),
    )
)


@given(metadata)
def test_metadata_survives_storage_as_json(original):
    stored = json.loads(json.dumps(original.to_dict()))
    assert stored["format"] == FORMAT
    assert ModelMetadata.from_dict(stored, "model.onnx") == original


@given(metadata)
def test_metadata_survives_storage_in_format_1(original):
    stored = original.to_dict()
    stored["fit_mode"] = stored.pop("resize_mode")
    stored["format"] = 1
    assert ModelMetadata.from_dict(stored, "old.ckpt") == original


def test_format_1_is_migrated_and_the_stored_dictionary_is_unchanged():
    stored = dict(FORMAT_1)
    read = ModelMetadata.from_dict(stored, "old.ckpt")
    assert read.resize_mode == "letterbox" and read.class_names == ("cat", "dog")
    assert read.options == {"multi_label": False}
    assert stored == FORMAT_1
    assert migrate(stored, "old.ckpt")["format"] == FORMAT
    assert migrate(read.to_dict(), "new.ckpt") == read.to_dict()


@pytest.mark.parametrize("format", [FORMAT + 1, 0, "2", None, [1]])
def test_unknown_formats_are_refused_with_the_remedy(format):
    with pytest.raises(VisusError) as caught:
        ModelMetadata.from_dict({**FORMAT_1, "format": format}, "new.onnx")
    message = str(caught.value)
    assert message.startswith("new.onnx: ") and "\n" not in message
    assert repr(format) in message and "reads 1, 2; install a newer visus" in message


def test_optional_fields_may_be_missing():
    stored = {key: value for key, value in FORMAT_1.items() if key != "options"}
    assert ModelMetadata.from_dict(stored, "old.ckpt").options == {}


@pytest.mark.parametrize("name", ["task", "class_names", "image_size", "mean"])
def test_a_missing_required_field_is_named(name):
    stored = {key: value for key, value in FORMAT_1.items() if key != name}
    with pytest.raises(VisusError, match=rf"a\.onnx: its metadata lacks {name}; export it again"):
        ModelMetadata.from_dict(stored, "a.onnx")


def test_unknown_keys_are_ignored():
    stored = {**FORMAT_1, "arguments": {"backbone": "lenet5"}, "invented_later": [1]}
    read = ModelMetadata.from_dict(stored, "a.ckpt")
    assert read == ModelMetadata.from_dict(FORMAT_1, "a.ckpt")
    # A checkpoint keeps what lies beside the metadata.
    assert migrate(stored, "a.ckpt")["arguments"] == {"backbone": "lenet5"}


@pytest.mark.parametrize("stored", [None, [], "text", {}, {"task": "classification"}])
def test_what_is_no_metadata_is_refused(stored):
    with pytest.raises(VisusError, match=r"a\.onnx: contains no visus metadata"):
        ModelMetadata.from_dict(stored, "a.onnx")


def test_an_unknown_resize_mode_is_named():
    with pytest.raises(VisusError, match="resize mode 'squeeze' is unknown"):
        ModelMetadata.from_dict({**FORMAT_1, "fit_mode": "squeeze"}, "a.onnx")
