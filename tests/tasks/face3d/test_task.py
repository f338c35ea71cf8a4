import numpy as np
import pytest
import torch

from visus.datamodules.face3d.data import FaceRendersData
from visus.models.face3d.face_model import five_points
from visus.models.face3d.procedural_head import procedural_head
from visus.tasks.face3d.metrics import Face3DMetrics
from visus.tasks.face3d.task import Face3DTask
from visus.vision.errors import VisusError

SMALL = {"face_model": "procedural", "components": 6, "image_size": (64, 64)}


def data(**more):
    return FaceRendersData(**{**SMALL, "count": 32, "batch_size": 8, "num_workers": 0, **more})


def task(**more):
    return Face3DTask(**{"backbone": "convnet", **SMALL, **more})


def test_images_repeat_with_the_seed_and_differ_without_end():
    torch.manual_seed(3)
    module = data()
    first, second = (next(iter(module.train_dataloader())) for _ in range(2))
    assert not torch.equal(first["image"], second["image"])
    torch.manual_seed(3)
    again = next(iter(data().train_dataloader()))
    assert torch.equal(first["image"], again["image"])
    assert torch.equal(first["identity"], again["identity"])
    val, test = (next(iter(m)) for m in (module.val_dataloader(), module.test_dataloader()))
    assert torch.equal(val["image"], next(iter(data().val_dataloader()))["image"])
    assert not torch.equal(val["image"], test["image"])


def test_processes_with_equal_random_numbers_render_different_images():
    dataset = data().dataset("train")
    torch.manual_seed(5)
    first = dataset.__getitems__([0, 2])
    torch.manual_seed(5)
    second = dataset.__getitems__([1, 3])
    assert not set(first["source"]) & set(second["source"])


def test_the_truth_is_that_of_the_image():
    """The landmarks are where the numbers put them, and the face around them."""
    module = data(batch_size=32, count=128)
    batch = next(iter(module.val_dataloader()))
    with torch.inference_mode():
        shapes = task().shapes(batch["identity"], batch["expression"])
        marks = task()._marks(shapes, batch["rotation"], batch["scale"], batch["position"])
    np.testing.assert_allclose(marks.numpy(), batch["landmarks"].numpy(), atol=1e-3)
    inside = (batch["landmarks"] > 0) & (batch["landmarks"] < 64)
    assert inside.float().mean() > 0.95


def learn(learner, loss, learnt):
    """Take steps until it is learnt, for some time at most."""
    optimizer = torch.optim.AdamW(learner.parameter_groups(), lr=1e-3)
    for _ in range(12):
        learner.train()
        for _ in range(15):
            optimizer.zero_grad()
            loss().backward()
            optimizer.step()
        learner.eval()
        if learnt():
            break


def test_a_small_batch_is_learnt_by_heart():
    torch.manual_seed(0)
    batch = next(iter(data(batch_size=8).val_dataloader()))
    learner = task()

    def loss():
        found = learner.network(learner.normalise(batch["image"]))
        losses = learner._losses(found, batch)
        return torch.stack([learner.weights[k] * v for k, v in losses.items()]).sum()

    def learnt():
        learner.collected = Face3DMetrics()
        with torch.inference_mode():
            learner._collect(batch)
        figures = learner.collected.compute(learner.coefficient_names)
        return (
            figures["vertex_error_mm"] < 0.5 * figures["mean_face_vertex_error_mm"]
            and figures["pose_error_deg"] < 4
            and figures["landmark_nme"] < 0.03
        )

    assert not learnt()
    learn(learner, loss, learnt)
    assert learnt()


def test_five_points_of_photographs_teach_where_a_face_lies():
    torch.manual_seed(0)
    batch = next(iter(data(batch_size=8).val_dataloader()))
    points = torch.from_numpy(five_points(batch["landmarks"].numpy()))
    seen = {"photograph": batch["image"], "five_points": points}
    learner = task(photograph_weight=1.0)

    def error():
        learner.eval()
        with torch.inference_mode():
            learner._collect({**batch, **seen})
        errors, learner.photographed = learner.photographed, []
        return float(np.mean(errors))

    goal = min(0.1, 0.5 * error())
    learn(learner, lambda: learner._photograph_loss(seen), lambda: error() < goal)
    assert error() < goal


def test_predictions_lie_in_the_image():
    batch = next(iter(data().val_dataloader()))
    learner = task().eval()
    with torch.inference_mode():
        predictions = learner.predict_step(batch, 0)
    assert len(predictions) == 8
    for prediction in predictions:
        assert prediction.vertices.shape == (1, 3705, 3)
        # A network that has learnt nothing says: the mean face, upright, in the middle.
        assert np.abs(list(prediction.pose(0).values())).max() < 15
        middle = prediction.landmarks68(0).mean(0)
        assert ((middle > 10) & (middle < 54)).all()
        told = prediction.to_json()["faces"][0]
        assert len(told["landmarks68"]) == 68 and set(told["pose"]) == {"yaw", "pitch", "roll"}
        assert "jawOpen" in told["expression"]


def test_another_face_model_is_refused():
    with pytest.raises(VisusError, match="is not the one that this network was trained with"):
        task(model_digest="0" * 64)
    with pytest.raises(VisusError, match="run visus weights get ict-facekit"):
        task(face_model="ict-facekit")
    with pytest.raises(VisusError, match=r"data.image_size \[64, 96\]: crops of faces are square"):
        data(image_size=(64, 96))


@pytest.fixture(autouse=True)
def no_cache(monkeypatch, tmp_path):
    """Nothing that lies on this machine helps."""
    from visus.models.face3d.face_models import open_face_model

    monkeypatch.setenv("VISUS_CACHE", str(tmp_path / "cache"))
    open_face_model.cache_clear()


def test_a_face_and_its_mirror_image_are_told_alike():
    """Averaged with the mirror image, an image in a mirror has the mirrored answer, exactly."""
    torch.manual_seed(0)
    images = next(iter(data().val_dataloader()))["image"]
    learner = task(flip_at_test=True).eval()
    for weight in learner.network.parameters():
        # An untrained network would say the mean face to all images.
        torch.nn.init.normal_(weight, std=0.1)
    with torch.inference_mode():
        vertices, rotation, scale, position, numbers = learner(images)
        mirrored = learner(images.flip(3))
    assert numbers.std(0).min() > 1e-3
    neutral = learner.model.neutral
    sides = np.array([-1, 1, 1])
    counterparts = np.array([np.abs(neutral * sides - v).sum(1).argmin() for v in neutral])
    torch.testing.assert_close(
        mirrored[0][:, counterparts] * torch.tensor(sides), vertices, atol=1e-3, rtol=1e-3
    )
    side = torch.diag(torch.tensor([-1.0, 1.0, 1.0]))
    torch.testing.assert_close(mirrored[1], side @ rotation @ side, atol=1e-3, rtol=0)
    torch.testing.assert_close(mirrored[2], scale, atol=1e-2, rtol=1e-3)
    torch.testing.assert_close(64 - mirrored[3][:, 0], position[:, 0], atol=1e-2, rtol=1e-3)
    torch.testing.assert_close(mirrored[3][:, 1], position[:, 1], atol=1e-2, rtol=1e-3)


def test_a_face_model_with_unequal_sides_is_not_averaged_with_its_mirror_image(tmp_path):
    head = procedural_head()
    arrays = {
        "neutral": head.neutral * np.where(head.neutral[:, :1] > 0, 1.2, 1.0),
        "identity": head.identity,
        "expression": head.expression,
        "expression_names": np.array(head.expression_names),
        "triangles": head.triangles,
        "landmarks68": head.landmarks,
    }
    np.savez(tmp_path / "mine.npz", **arrays)
    with pytest.raises(VisusError, match=r"two sides .* not alike .* set it to false"):
        task(face_model=str(tmp_path / "mine.npz"), flip_at_test=True)
