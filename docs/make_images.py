"""Generate the images of these pages: python docs/make_images.py [RUN RUN RUN RUN TEST ...].

The arguments are runs of classification/digits, detection/scenes, segmentation/scenes and
captioning/scenes, and folders of `visus test` with `examples.jpg`; without arguments, only the
images of 3D faces and of tracks are generated.

The images show procedural scenes, scikit-image's public-domain photographs and scikit-learn's
digits.
"""

import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from skimage import data

from visus.apps.drawing import draw_prediction
from visus.apps.inference.loading import load_model
from visus.datamodules.classification.arrays import DigitsData
from visus.models.face3d.camera import rotation_from_angles
from visus.models.face3d.renderer import interpolate, rasterise
from visus.tasks.captioning.draw import draw_caption
from visus.tasks.captioning.prediction import CaptionPrediction
from visus.tasks.classification.explain import explain
from visus.tasks.detection.areas import named_areas, parse_line, parse_zone
from visus.tasks.detection.prediction import DetectionPrediction
from visus.tasks.detection.tracked_model import TrackedModel
from visus.tasks.face3d.prediction import Face3DPrediction
from visus.tasks.face3d.texture import face_texture
from visus.tasks.torch_network import torch_task
from visus.vision.concealing import ConcealingModel
from visus.vision.drawing.grid import grid
from visus.vision.images import Pixels
from visus.vision.model import Batch, Model
from visus.vision.moving_scenes import MovingScene
from visus.vision.output_files import write_image
from visus.vision.prediction import Prediction
from visus.vision.scenes import COLOURS, make_scene

_SIDE = 480
IMAGES = Path(__file__).parent / "images"


def explained(model: Model, image: Pixels) -> Pixels:
    """Grad-CAM of the best class over the image."""
    return explain(torch_task(model, "--explain"), image)[0].image


def digits(run: str) -> Pixels:
    """Test digits with the network's predictions."""
    model = load_model(run)
    images, labels = DigitsData().splits["test"]
    cells = [np.repeat(image, 3, axis=2) for image in images[:16]]
    predicted = [model.predict(enlarged).summary().split()[0] for enlarged in cells]
    captions = [
        digit if digit == str(label) else f"!{digit}, is {label}"
        for digit, label in zip(predicted, labels, strict=False)
    ]
    return grid(cells, captions, 4, 80)


def on_scene(run: str, seed: int, size: int) -> Pixels:
    """A model's prediction for a scene that it was not trained on."""
    scene = make_scene(seed, (size, size), (4, 6), 24, 0.4).image
    return draw_prediction(scene, load_model(run).predict(scene))


def attention(run: str, seed: int) -> Pixels:
    """The caption of a scene, and the attention map of each word."""
    scene = make_scene(seed, (256, 256), (2, 2), 64, 0.4).image
    prediction = load_model(run).predict(scene)
    assert isinstance(prediction, CaptionPrediction)
    return draw_caption(scene, prediction, True)


def face_meshes(image: Pixels) -> Pixels:
    """A photograph, the detected face, and its textured mesh from three sides."""
    prediction = load_model("face3d").predict(image)
    assert isinstance(prediction, Face3DPrediction)
    face = face_texture(image, prediction, 0)
    side = np.float32(len(face.texture))
    left, top, right, bottom = prediction.faces.boxes[0].astype(int)
    margin = (right - left) // 2
    cut = np.s_[max(0, top - margin) : bottom + margin, max(0, left - margin) : right + margin]
    images = [image[cut], draw_prediction(image, prediction)[cut]]
    for yaw in (-40, 0, 40):
        turn = rotation_from_angles(np.array([yaw, 0, 0]))
        placed = prediction.vertices[:1] @ turn.T * np.array([1, -1, 1], np.float32)
        middle = (placed.max(1) + placed.min(1))[:, :2] / 2
        zoom = 0.9 * _SIDE / np.ptp(placed[0, :, 1])
        placed[..., :2] -= middle
        placed = np.ascontiguousarray(placed * zoom, np.float32)
        placed[..., :2] += _SIDE / 2
        raster = rasterise(placed, face.triangles, (_SIDE, _SIDE))
        where = interpolate(raster, face.triangles, face.coordinates[None])[0] * side - 0.5
        shown = cv2.remap(face.texture, where[..., 0], where[..., 1], cv2.INTER_LINEAR)
        shown[~raster.covered[0]] = 255
        images.append(np.asarray(shown, np.uint8))
    captions = ["photograph", "detected face", "mesh, turned left", "mesh", "turned right"]
    return grid(images, captions, 5, 240)


class SimulatedDetector(Model):
    """Its predictions are made by `tracks`; it has no network."""

    name, runtime, precision, workers = "simulated", "none", "fp32", 1

    def run(self, images: Batch, *state: NDArray[np.float32]) -> tuple[NDArray[np.float32], ...]:
        """See `Model.run`."""
        raise NotImplementedError

    def preprocess(self, image: Pixels) -> tuple[Batch, Any]:
        """See `Model.preprocess`."""
        raise NotImplementedError

    def predict_image(self, image: Pixels) -> Prediction:
        """See `Model.predict_image`."""
        raise NotImplementedError

    def set_option(self, name: str, value: Any) -> None:
        """See `Model.set_option`."""


def walkers(scene: MovingScene, time: float) -> Pixels:
    """Figures and pillars of a moving scene on a textured floor."""
    height = scene.size[0]
    floor = make_scene(5, scene.size, (0, 0)).image
    image = np.asarray(cv2.addWeighted(floor, 0.2, np.full_like(floor, 190), 0.8, 0), np.uint8)
    for number, (x1, y1, x2, y2) in enumerate(scene.boxes(time).astype(int).tolist()):
        side, middle, head = x2 - x1, (x1 + x2) // 2, y1 + (x2 - x1) // 3
        skin, coat = (230, 190, 160), list(COLOURS.values())[number % len(COLOURS)]
        cv2.rectangle(image, (x1 + side // 5, head + side // 4), (x2 - side // 5, y2), coat, -1)
        cv2.ellipse(image, (middle, head), (side // 4, side // 3), 0, 0, 360, skin, -1, cv2.LINE_AA)
        for eye in (-1, 1):
            place = (middle + eye * side // 10, head - side // 12)
            cv2.circle(image, place, max(1, side // 24), (30, 30, 30), -1, cv2.LINE_AA)
        cv2.ellipse(image, (middle, head), (side // 8, side // 6), 0, 30, 150, (160, 60, 60), 2)
    for x1, _, x2, _ in scene.pillar_boxes.astype(int).tolist():
        cv2.rectangle(image, (x1, 0), (x2, height), (120, 116, 110), -1)
        cv2.rectangle(image, (x1, 0), (x1 + (x2 - x1) // 5, height), (150, 146, 140), -1)
    return image


def tracks() -> Pixels:
    """Tracked figures at a line and in a zone, before and behind a pillar, and concealed ones."""
    scene, rng = MovingScene(12, (360, 640), 5, 1), np.random.default_rng(0)
    line = named_areas([parse_line("door=0.25,0.98,0.25,0.3")])
    zone = named_areas([parse_zone("hall=0.62,0.55,0.98,0.55,0.98,0.98,0.62,0.98")])
    tracked = TrackedModel(SimulatedDetector(), 0.0, line, zone)
    model = ConcealingModel(tracked, ["person"])
    shown, rate = [], 15
    for step in range(15 * rate):
        now = step / rate
        found = scene.detect(now, rng)
        kinds = np.zeros(len(found.scores), np.int64)
        raw = DetectionPrediction(found.boxes, found.scores, kinds, ("person",), scene.size)
        prediction, image = model.apply_state(raw, now), walkers(scene, now)
        if now in (11.0, 12.0):
            shown.append(draw_prediction(image, prediction))
    shown.append(draw_prediction(model.conceal(image, prediction), prediction))
    captions = ["--line, --zone", "a second later", "--blur person"]
    return grid(shown, captions, 3, 420, 240)


def examples(test: Path) -> None:
    """Copy a smaller `examples.jpg` of a test; the path of its folder names the task."""
    page = Image.open(test / "examples.jpg")
    page.thumbnail((1000, 2000))
    page.save(IMAGES / f"{test.resolve().parent.parent.name}_examples.jpg", quality=80)


def main() -> None:
    """Write the images."""
    portrait: Pixels = data.astronaut()  # type: ignore[no-untyped-call]
    write_image(IMAGES / "face3d.png", face_meshes(portrait))
    write_image(IMAGES / "tracking.jpg", tracks())
    if len(sys.argv) == 1:
        return
    digits_run, detector, segmenter, captioner, *tests = sys.argv[1:]
    for test in tests:
        examples(Path(test))
    imagenet = load_model("imagenet")
    names = ("chelsea", "coffee", "astronaut")
    cat, coffee, astronaut = (getattr(data, name)() for name in names)
    images = [
        draw_prediction(cat, imagenet.predict(cat)),
        explained(imagenet, cat),
        draw_prediction(coffee, imagenet.predict(coffee)),
        digits(digits_run),
        on_scene(detector, 8, 256),
        on_scene(segmenter, 21, 256),
        draw_prediction(astronaut, load_model("faces").predict(astronaut)),
        on_scene(captioner, 8, 256),
        attention(captioner, 3),
    ]
    captions = [
        "ImageNet labels",
        "Grad-CAM",
        "ImageNet labels",
        "LeNet-5 on digits",
        "detections in a scene",
        "segmentation of a scene",
        "a face and its landmarks",
        "a caption of a scene",
        "attention maps of its words",
    ]

    write_image(IMAGES / "gallery.jpg", grid(images, captions, 3, 400))


if __name__ == "__main__":
    main()
