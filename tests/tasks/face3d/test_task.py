import numpy as np
import pytest
import torch

from visus.datamodules.face3d.data import FaceRendersData
from visus.models.face3d.face_model import five_points
from visus.models.face3d.procedural_head import procedural_head
from visus.tasks.data_info import info_from_data
from visus.tasks.face3d.data_info import Face3DInfo
from visus.tasks.face3d.spec import Face3DSpec
from visus.tasks.face3d.task import Face3DTask
from visus.vision.errors import VisusError

SMALL = {"face_model": "procedural", "components": 6, "image_size": (64, 64)}


def data(**more):
    return FaceRendersData(**{**SMALL, "count": 32, "batch_size": 8, "num_workers": 0, **more})


def task(info=(), **more):
    return Face3DTask(
        Face3DInfo(**{**SMALL, **dict(info)}),
        **{"backbone": "convnet", "weight_decay": 0.02, **more},
    )


def test_images_repeat_with_the_seed_and_differ_without_end():
    module = data()
    loader = module.train_dataloader()
    first = next(iter(loader))
    loader.batches.set_epoch(1)
    second = next(iter(loader))
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


def test_the_landmarks_follow_from_the_other_parameters():
    """They lie where the coefficients and the pose project them, and within the image."""
    module = data(batch_size=32, count=128)
    batch = next(iter(module.val_dataloader()))
    with torch.inference_mode():
        shapes = task().shapes
        vertices = shapes(batch["identity"], batch["expression"])
        pose = (batch["rotation"], batch["scale"], batch["position"])
        landmarks = shapes.project_landmarks(vertices, *pose)
    np.testing.assert_allclose(landmarks.numpy(), batch["landmarks"].numpy(), atol=1e-3)
    inside = (batch["landmarks"] > 0) & (batch["landmarks"] < 64)
    assert inside.float().mean() > 0.95


def train_until(learner, loss, reached):
    """Take training steps until a goal is reached, at most 180."""
    optimizer = torch.optim.AdamW(learner.parameter_groups(), lr=1e-3)
    for _ in range(12):
        learner.train()
        for _ in range(15):
            optimizer.zero_grad()
            loss().backward()
            optimizer.step()
        learner.eval()
        if reached():
            break


def measure(learner, batch):
    metrics = learner.new_metrics("val")
    with torch.inference_mode():
        learner.update_metrics(metrics, batch)
    return learner.compute_metrics(metrics, "val").metrics


def test_overfits_a_small_batch():
    torch.manual_seed(0)
    batch = next(iter(data(batch_size=8).val_dataloader()))
    learner = task()

    def loss():
        face = learner.network(learner.normalise(batch["image"]))
        return learner.weighted_sum(learner.losses.of_renders(face, batch))

    def reached():
        values = measure(learner, batch)
        return (
            values["vertex_error_mm"] < 0.5 * values["mean_face_vertex_error_mm"]
            and values["pose_error_deg"] < 4
            and values["landmark_nme"] < 0.03
        )

    assert not reached()
    train_until(learner, loss, reached)
    assert reached()


def test_five_landmarks_of_photographs_train_the_position_of_a_face():
    torch.manual_seed(0)
    batch = next(iter(data(batch_size=8).val_dataloader()))
    points = torch.from_numpy(five_points(batch["landmarks"].numpy()))
    photographs = {"photograph": batch["image"], "five_points": points}
    learner = task()

    def loss():
        face = learner.network(learner.normalise(batch["image"]))
        return learner.losses.of_photographs(face, points)

    def error():
        learner.eval()
        return measure(learner, {**batch, **photographs})["five_point_error"]

    goal = min(0.1, 0.5 * error())
    train_until(learner, loss, lambda: error() < goal)
    assert error() < goal


def test_predictions_lie_in_the_image():
    batch = next(iter(data().val_dataloader()))
    learner = task().eval()
    with torch.inference_mode():
        predictions = learner.predict_step(batch, 0)
    assert len(predictions) == 8
    for prediction in predictions:
        assert prediction.vertices.shape == (1, 3705, 3)
        # An untrained network predicts the mean face, upright, in the centre.
        assert np.abs(list(prediction.pose(0).values())).max() < 15
        centre = prediction.landmarks68(0).mean(0)
        assert ((centre > 10) & (centre < 54)).all()
        face = prediction.to_json()["faces"][0]
        assert len(face["landmarks68"]) == 68 and set(face["pose"]) == {"yaw", "pitch", "roll"}
        assert "jawOpen" in face["expression"]


def test_another_face_model_is_refused():
    with pytest.raises(VisusError, match="is not the one that this network was trained with"):
        task({"model_digest": "0" * 64})
    with pytest.raises(VisusError, match="run visus weights get ict-facekit"):
        task({"face_model": "ict-facekit"})
    with pytest.raises(VisusError, match=r"data.image_size \[64, 96\]: crops of faces are square"):
        data(image_size=(64, 96))


@pytest.fixture(autouse=True)
def no_cache(monkeypatch, tmp_path):
    """No face model of this machine is used."""
    from visus.models.face3d.face_models import open_face_model

    monkeypatch.setenv("VISUS_CACHE", str(tmp_path / "cache"))
    open_face_model.cache_clear()


def test_a_face_and_its_mirror_image_are_predicted_alike():
    """With `flip_at_test` the prediction for a mirror image is exactly the mirrored prediction."""
    torch.manual_seed(0)
    images = next(iter(data().val_dataloader()))["image"]
    learner = task(flip_at_test=True).eval()
    for weight in learner.network.parameters():
        # An untrained network would predict the mean face for all images.
        torch.nn.init.normal_(weight, std=0.1)
    with torch.inference_mode():
        vertices, rotation, scale, position, coefficients = learner(images)
        mirrored = learner(images.flip(3))
    assert coefficients.std(0).min() > 1e-3
    neutral = learner.face.neutral
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


def test_flip_at_test_refuses_an_asymmetric_face_model(tmp_path):
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
    with pytest.raises(VisusError, match=r"is not symmetric .* set it to false"):
        task({"face_model": str(tmp_path / "mine.npz")}, flip_at_test=True)


def test_the_data_module_provides_what_the_task_needs():
    info = info_from_data(Face3DInfo, data(expressions=["jawOpen", "mouthPucker"]))
    assert info.expressions == ("jawOpen", "mouthPucker") and info.components == 6
    names = Face3DTask(info, backbone="convnet", hidden_size=8).coefficient_names
    assert names == (*(f"identity{i}" for i in range(6)), "jawOpen", "mouthPucker")


def test_loss_weights_replace_defaults_one_by_one():
    learner = task(loss_weights={"pose": 7.0})
    assert learner.loss_weights["pose"] == 7 and learner.loss_weights["landmarks"] == 20
    with pytest.raises(VisusError, match=r"loss_weights 'numbers': .* vertices, landmarks, points"):
        task(loss_weights={"numbers": 1.0})


def test_options_of_the_backbone_reach_it():
    plain, wide = (
        task(backbone="resnet9", backbone_options={"width": width}).backbone for width in (8, 16)
    )
    assert wide.channels[0] == 2 * plain.channels[0]
    with pytest.raises(VisusError, match="takes no option 'wings'"):
        task(backbone_options={"wings": 2})


def test_arguments_of_format_1_are_migrated():
    weights = ("vertex", "landmark", "point", "pose", "number", "light", "photograph")
    old = {f"{name}_weight": float(i) for i, name in enumerate(weights)}
    old |= {"hidden": 8, "points": 68, "backbone": "convnet", "flip_at_test": False, **SMALL}
    new = Face3DSpec().migrate_arguments(old, 1)
    info = new.pop("data_info")
    learner = Face3DTask(Face3DInfo(**info), **new)
    assert learner.network.last.in_features == 8 and info["components"] == 6
    assert list(learner.loss_weights.values()) == [0, 1, 2, 3, 4, 5, 6, 0.3]
    assert learner.loss_weights["coefficients"] == 4


def test_exported_outputs_are_compared_by_vertices():
    expected = (np.array([[[0.0, 0, 0], [10, 0, 0], [0, 10, 0], [0, 0, 10]]]), np.eye(3)[None])
    found = tuple(array.copy() for array in expected)
    found[0][0, 1, 0] += 0.005
    found[0][0, 2, 2] += 0.5
    largest, agreement = Face3DSpec().compare_outputs(found, expected)
    # The first is within a thousandth of the size of the face.
    assert largest == pytest.approx(0.5) and agreement == 0.75
