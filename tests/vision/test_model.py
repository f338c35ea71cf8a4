from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

from visus.vision.errors import VisusError
from visus.vision.images import ImageError
from visus.vision.metadata import ModelMetadata
from visus.vision.model import Model, NetworkModel
from visus.vision.model_wrapper import ModelWrapper, innermost
from visus.vision.resize import preprocess_image

METADATA = ModelMetadata(
    "toy", ("dark", "bright"), (4, 6), 3, "stretch", (0.0,) * 3, (1.0,) * 3, {"threshold": 0.5}
)


@dataclass
class Brightness:
    value: float
    threshold: float

    task = "toy"

    def to_json(self):
        return {"value": self.value, "threshold": self.threshold}

    def summary(self):
        return f"{self.value:.1f}"


class MeanNetwork:
    precision = "fp32"
    batch_size = 1

    def __call__(self, images):
        return (images.mean((1, 2, 3)).astype(np.float32)[:, None],)


def postprocess(outputs, geometry: Any, metadata: ModelMetadata):
    return Brightness(float(outputs[0][0]), metadata.options["threshold"])


def network_model(metadata=METADATA, workers=1):
    return NetworkModel(
        "toy.onnx", "onnxruntime", MeanNetwork(), metadata, preprocess_image, postprocess, workers
    )


class Doubled(ModelWrapper):
    """Overrides one method; everything else must come from the model inside."""

    def predict_image(self, image):
        prediction = self.model.predict_image(image)
        return replace(prediction, value=2 * prediction.value)


class Counting(ModelWrapper):
    def __init__(self, model):
        super().__init__(model)
        self.frames = 0

    def apply_state(self, prediction, time=None):
        self.frames += 1
        return self.model.apply_state(prediction)


GREY = np.full((8, 12, 3), 50, np.uint8)
CHAINS = {
    "bare": lambda model: model,
    "one": ModelWrapper,
    "two": lambda model: Doubled(ModelWrapper(model)),
    "three": lambda model: Counting(Doubled(Counting(model))),
}


@pytest.fixture(params=CHAINS)
def chain(request):
    """A model, and the same in a chain of wrappers."""
    inner = network_model()
    return inner, CHAINS[request.param](inner)


def test_changes_of_the_inner_model_are_visible_outside(chain):
    inner, outer = chain
    inner.name, inner.runtime, inner.precision, inner.workers = "b.xml", "openvino", "int8", 7
    inner.metadata = replace(inner.metadata, class_names=("a", "b"))
    for attribute in ("name", "runtime", "precision", "workers", "metadata"):
        assert getattr(outer, attribute) == getattr(inner, attribute), attribute
    assert outer.metadata.class_names == ("a", "b")


def test_an_option_set_at_either_end_reaches_predictions_and_the_other_end(chain):
    inner, outer = chain
    inner.set_option("threshold", 0.25)
    assert outer.metadata.options["threshold"] == outer.predict(GREY).threshold == 0.25
    outer.set_option("threshold", 0.75)
    assert inner.metadata.options["threshold"] == inner.predict(GREY).threshold == 0.75
    assert METADATA.options["threshold"] == 0.5


def test_a_change_between_wrappers_is_visible_outside():
    middle = ModelWrapper(network_model())
    outer = Doubled(middle)
    middle.model = network_model(replace(METADATA, class_names=("x", "y")))
    assert outer.metadata.class_names == ("x", "y")


def test_wrappers_delegate_what_they_do_not_override(chain):
    inner, outer = chain
    batch, geometry = outer.preprocess(GREY)
    assert batch.shape == (1, 3, 4, 6) and geometry.source_size == (8, 12)
    assert (outer.network_inputs(GREY) == batch).all()
    assert (outer.run(batch)[0] == inner.run(batch)[0]).all()
    prediction = inner.predict(GREY)
    assert outer.apply_state(prediction) is prediction


def test_overrides_apply_once_in_a_chain():
    counting = Counting(Doubled(network_model()))
    assert counting.predict(GREY).value == 100
    counting.apply_state(counting.predict(GREY))
    outer = ModelWrapper(counting)
    outer.apply_state(outer.predict(GREY))
    assert counting.frames == 2


def test_innermost_is_the_model_without_wrappers(chain):
    inner, outer = chain
    assert innermost(outer) is inner and innermost(inner) is inner


def test_a_wrapper_names_every_member_of_a_model():
    """Members that a wrapper would inherit from `Model` would never reach the inner model."""
    members = {name for name in (*vars(Model), *Model.__annotations__) if not name.startswith("_")}
    delegated = set(vars(ModelWrapper))
    # They check the images and call `predict_image`, which a wrapper may override; for the same
    # reason it takes single images.
    own = {"predict", "predict_batch", "predict_images", "predict_frame", "batch_size"}
    assert members - delegated == own


def test_files_are_read_and_arrays_are_checked(tmp_path):
    from PIL import Image

    model = Doubled(network_model())
    path = tmp_path / "grey.png"
    Image.fromarray(GREY).save(path)
    assert model.predict(path).value == model.predict(str(path)).value == 100
    with pytest.raises(ImageError, match=r"absent\.png"):
        model.predict(tmp_path / "absent.png")
    for wrong in (GREY.astype(np.float32), GREY[..., 0]):
        with pytest.raises(ValueError, match="uint8 of shape"):
            model.predict(wrong)
    with pytest.raises(VisusError, match=r"4 channels, where the model takes 3"):
        model.predict(np.zeros((8, 12, 4), np.uint8))


def test_a_grey_model_takes_rgb_images():
    model = network_model(replace(METADATA, in_channels=1, mean=(0.0,), std=(1.0,)))
    assert model.predict(GREY).value == 50
    assert model.predict(GREY[..., :1]).value == 50
