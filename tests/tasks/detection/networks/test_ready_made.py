import pytest
import torch
from torchvision.models import detection as torchvision_detection

from tests.conftest import publish
from visus.vision.errors import VisusError

NAME = "fasterrcnn_mobilenet_v3_large_fpn"


@pytest.fixture
def published(tmp_path, monkeypatch):
    """The mobile detector's file with random weights, as torchvision would publish it."""
    torch.manual_seed(0)
    detector = getattr(torchvision_detection, NAME)(weights=None, weights_backbone=None)
    state = detector.state_dict()
    # Its batch norm was frozen when it was trained, and keeps no counters.
    state = {k: v for k, v in state.items() if not k.endswith("num_batches_tracked")}
    return detector.eval(), *publish(monkeypatch, tmp_path, "coco-fasterrcnn-mobilenet", state)


def test_a_detector_is_downloaded_checked_and_used(published, visus, photos):
    from visus.apps.inference.loading import load_model
    from visus.vision.images import read_image

    detector, entry, _ = published
    assert entry.find() is None
    model = load_model("coco-fasterrcnn-mobilenet")
    assert entry.find() is not None
    assert "person" in model.metadata.class_names
    image = read_image(next(photos.rglob("*.png")))
    batch, _ = model.preprocess(image)
    _, scores, labels = model.run(batch)
    # torchvision's preprocessing of the same pixels, without resizing, as the size is the image's.
    detector.transform.min_size, detector.transform.max_size = (640,), 640
    detector.roi_heads.score_thresh = 0.01
    with torch.inference_mode():
        (expected,) = detector(torch.from_numpy(batch).float() / 255)
    assert len(expected["scores"]) == len(scores[0])
    torch.testing.assert_close(torch.from_numpy(scores[0]), expected["scores"], atol=1e-4, rtol=0)
    assert (torch.from_numpy(labels[0]) + 1 == expected["labels"]).float().mean() > 0.95
    code, _, err = visus("predict", "coco-fasterrcnn-mobilenet", photos / "circle" / "1.png")
    assert code == 0, err


def test_a_file_with_another_hash_is_refused_and_not_kept(published, tmp_path):
    _, entry, path = published
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(VisusError, match="sha256"):
        entry.path()
    assert not list((tmp_path / "cache").iterdir())


def test_without_a_network_the_message_names_the_remedy(published, visus, photos):
    _, entry, path = published
    kept = path.read_bytes()
    path.unlink()
    code, _, err = visus("predict", "coco-fasterrcnn-mobilenet", photos)
    assert code == 2 and len(err.strip().splitlines()) == 1
    assert "could not be downloaded" in err and "--from FILE" in err
    path.with_name("copy.pth").write_bytes(kept)
    code, out, _ = visus(
        "weights", "get", "coco-fasterrcnn-mobilenet", "--from", path.with_name("copy.pth")
    )
    assert code == 0 and "sha256 checked" in out
    assert entry.find() is not None


def test_fine_tuning_from_coco_changes_the_last_layer_only(published):
    from visus.tasks.detection.data_info import DetectionInfo
    from visus.tasks.detection.task import DetectionTask

    detector, _, _ = published
    info = DetectionInfo(
        image_size=(64, 64), class_names=("a", "b"), in_channels=3, resize_mode="letterbox"
    )
    task = DetectionTask(data_info=info, architecture=NAME, pretrained=True)
    rest = task.network.detector.state_dict()
    for key, value in detector.state_dict().items():
        if "box_predictor" not in key and "num_batches" not in key:
            assert torch.equal(rest[key], value), key
    assert rest["roi_heads.box_predictor.cls_score.weight"].shape[0] == 3


def test_a_file_of_another_network_is_refused(tmp_path):
    from visus.tasks.detection.networks.ready_made import create_ready_made

    torch.save({"a": torch.zeros(2)}, tmp_path / "other.pth")
    with pytest.raises(VisusError, match="its tensors are not those of"):
        create_ready_made(NAME, 2, 3, str(tmp_path / "other.pth"), 100)
