import numpy as np
import pytest
import pytorch_lightning as pl
import torch

from tests.conftest import save_masked
from tests.tasks.learning import overfit, show_training_set, trainer
from visus.datamodules.segmentation.data import ImageSegmentationData
from visus.datamodules.segmentation.scenes import ScenesSegmentationData
from visus.tasks.checkpoints import load_task
from visus.tasks.segmentation.task import SegmentationTask
from visus.vision.errors import VisusError
from visus.vision.masks import IGNORE
from visus.vision.resize import resize_to_input


def segmenter(data, **arguments):
    given = {"backbone": "test_resnet", "channels": 32, **arguments}
    return SegmentationTask(
        class_names=list(data.class_names),
        image_size=data.image_size,
        resize_mode=data.resize_mode,
        class_counts=data.class_counts,
        **given,
    )


@pytest.mark.parametrize(
    ("architecture", "losses", "rate"),
    [
        ("fcn", {"cross_entropy": 1.0}, 1e-2),
        ("unet", {"cross_entropy": 1.0, "dice": 1.0}, 5e-3),
        ("deeplabv3plus", {"focal": 1.0, "dice": 1.0}, 1e-2),
    ],
)
def test_overfits_a_small_set(architecture, losses, rate):
    pl.seed_everything(0)
    data = ScenesSegmentationData(4, (64, 64), batch_size=4, num_workers=0)
    task = segmenter(
        data, architecture=architecture, losses=losses, learning_rate=rate, weight_decay=0.0
    )
    show_training_set(data)
    # FCN answers on a grid of stride 8, and cannot follow every outline.
    goal = 0.6 if architecture == "fcn" else 0.85
    figures = overfit(task, data, "miou", goal, 240)
    assert figures["test/miou"] >= goal
    assert figures["test/pixel_accuracy"] >= 0.93
    assert 0 <= figures["test/boundary_f1"] <= 1


def test_a_loss_that_is_not_finite_stops_and_names_the_images():
    data = ScenesSegmentationData(4, (64, 64), batch_size=4, num_workers=0)
    task = segmenter(data)
    with torch.no_grad():
        next(task.network.body.parameters()).fill_(float("nan"))
    with pytest.raises(VisusError, match=r"the loss is nan in epoch 1, step 1, on \d, \d, \d, \d;"):
        trainer(max_epochs=1, limit_val_batches=0).fit(task, data)


def test_a_batch_without_any_class_changes_no_loss_to_nan():
    data = ScenesSegmentationData(4, (64, 64), batch_size=2, num_workers=0)
    task = segmenter(data, losses={"cross_entropy": 1.0, "focal": 1.0, "dice": 1.0})
    batch = next(iter(data.train_dataloader()))
    batch["mask"].fill_(IGNORE)
    task.log = lambda *arguments, **more: None
    assert task.training_step(batch, 0).item() == 0


def test_predictions_are_in_the_pixels_of_the_original():
    data = ScenesSegmentationData(4, (64, 64), batch_size=2, num_workers=0)
    task = segmenter(data).eval()
    logits = torch.zeros(1, len(data.class_names), 16, 16)
    logits[:, 3, :, :8] = 1
    task.forward = lambda images: (logits,)
    _, mapping = resize_to_input(np.zeros((100, 300, 3), np.uint8), (64, 64), "stretch")
    batch = {"image": torch.zeros(1, 3, 64, 64, dtype=torch.uint8), "geometry": [mapping]}
    (found,) = task.predict_step(batch, 0)
    assert found.mask.shape == (100, 300)
    assert (found.mask[:, :140] == 3).all() and (found.mask[:, 160:] == 0).all()


def test_flips_are_averaged_at_test():
    data = ScenesSegmentationData(4, (64, 64), num_workers=0)
    task = segmenter(data, flip_at_test=True).eval()
    images = torch.randint(0, 256, (2, 3, 64, 64), dtype=torch.uint8)
    torch.testing.assert_close(task(images)[0], task(images.flip(3))[0].flip(3))
    task.flip_at_test = False
    assert not torch.allclose(task(images)[0], task(images.flip(3))[0].flip(3))


def test_colours_names_and_weights_travel_with_the_checkpoint(tmp_path):
    root = save_masked(tmp_path / "set", "folders")
    rows = [f"c{i},{i},#0000{i:02x}" for i in range(8)]
    (root / "classes.csv").write_text("\n".join(["name,value,colour", *rows]))
    data = ImageSegmentationData(str(root), batch_size=2, num_workers=0)
    task = segmenter(data, class_colours=data.class_colours, class_weights="balanced")
    fitted = trainer(max_epochs=1)
    fitted.fit(task, data)
    fitted.save_checkpoint(tmp_path / "a.ckpt")
    loaded = load_task(tmp_path / "a.ckpt")
    assert loaded.metadata.options["colours"][5] == [0, 0, 5]
    assert loaded.metadata.class_names[2] == "c2"
    image = torch.randint(0, 256, (1, 3, 64, 64), dtype=torch.uint8)
    torch.testing.assert_close(loaded(image), task.eval()(image))
    data = ImageSegmentationData(str(root), num_workers=0, class_names=["c0", "c1"])
    with pytest.raises(VisusError, match="unknown class 'c2, c3"):
        data.dataset("val")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"losses": {"crossentropy": 1.0}}, "model.losses 'crossentropy' is unknown"),
        ({"losses": {"dice": -1.0}}, "must not be negative"),
        ({"losses": {"dice": 0.0}}, "not all zero"),
        ({"resize_mode": "crop"}, "data.resize_mode crop leaves pixels without a class"),
        ({"channels": 0}, "model.channels 0"),
        ({"class_weights": "balanced"}, "do not count their pixels"),
    ],
)
def test_wrong_arguments_are_told(arguments, words):
    with pytest.raises(VisusError, match=words):
        SegmentationTask(class_names=["a", "b"], **{"backbone": "test_resnet", **arguments})


def test_deeplab_names_what_it_cannot_learn_from():
    task = SegmentationTask("deeplabv3plus", "test_resnet", class_names=["a", "b"])
    for shape, words in (((1, 3, 64, 64), "batch_size to 2"), ((2, 3, 40, 64), r"\[40, 64\]")):
        batch = {"image": torch.zeros(shape, dtype=torch.uint8), "source": ["x"] * shape[0]}
        with pytest.raises(VisusError, match=words):
            task.training_step(batch, 0)
