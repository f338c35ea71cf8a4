from dataclasses import replace

import pytest
import torch

from visus.models.face3d.face_models import open_face_model
from visus.models.face3d.morphable import MorphableFace
from visus.tasks.face3d.networks.losses import FaceLosses
from visus.tasks.face3d.networks.regressor import FaceCoefficients


@pytest.fixture(scope="module")
def losses():
    face = open_face_model("procedural", None).face
    return FaceLosses(MorphableFace(face), [0], face.millimetres, 64)


def compare(losses, identity, people):
    """The loss of people with these identities."""
    return losses.of_people(identity, torch.tensor(people))


def test_equal_shapes_of_each_person_have_no_loss(losses):
    identity = torch.randn(4, len(losses.shapes.identity)).repeat_interleave(2, 0)
    assert compare(losses, identity, [0, 0, 1, 1, 2, 2, 3, 3]) == pytest.approx(0, abs=1e-5)


def test_random_shapes_differ_as_much_within_as_between_people(losses):
    torch.manual_seed(0)
    identity = torch.randn(400, len(losses.shapes.identity), requires_grad=True)
    people = [i // 2 for i in range(400)]
    loss = compare(losses, identity, people)
    assert loss.item() == pytest.approx(1, abs=0.15)
    # The loss is a ratio: smaller shapes of all faces do not lower it.
    smaller = compare(losses, identity / 10, people)
    assert smaller.item() == pytest.approx(loss.item(), rel=1e-3)
    loss.backward()
    assert identity.grad.isfinite().all() and identity.grad.abs().sum() > 0


@pytest.mark.parametrize("people", [[0, 1, 2], [5, 5, 5]])
def test_a_batch_without_pairs_or_without_others_has_no_loss(losses, people):
    identity = torch.randn(3, len(losses.shapes.identity), requires_grad=True)
    loss = compare(losses, identity, people)
    loss.backward()
    assert loss == 0 and (identity.grad == 0).all()


def test_the_distance_of_vertices_does_not_depend_on_the_models_units():
    face = open_face_model("procedural", None).face
    torch.manual_seed(0)
    predicted = coefficients(len(face.identity), len(face.expression))
    truth = {name: value + 0.1 for name, value in vars(predicted).items()}
    truth["landmarks"] = torch.zeros(2, 68, 2)
    found = []
    for unit in (1.0, 1000.0):
        scaled = replace(
            face,
            neutral=face.neutral / unit,
            identity=face.identity / unit,
            expression=face.expression / unit,
            millimetres=face.millimetres * unit,
        )
        losses = FaceLosses(MorphableFace(scaled), [0], scaled.millimetres, 64)
        found.append(float(losses.of_renders(predicted, truth)["vertices"]))
        same = {**vars(predicted), "landmarks": truth["landmarks"]}
        # Smooth at zero, by a tenth of a millimetre.
        assert float(losses.of_renders(predicted, same)["vertices"]) == pytest.approx(
            0.01, rel=0.01
        )
    assert found[1] == pytest.approx(found[0], rel=1e-3)


def test_a_face_model_without_expressions_has_losses():
    face = open_face_model("procedural", None).face
    plain = replace(face, expression=face.expression[:0], expression_names=())
    losses = FaceLosses(MorphableFace(plain), [0], plain.millimetres, 64)
    predicted = coefficients(len(face.identity), 0)
    truth = {**vars(predicted), "landmarks": torch.zeros(2, 68, 2)}
    assert all(value.isfinite() for value in losses.of_renders(predicted, truth).values())


def coefficients(identity, expression):
    return FaceCoefficients(
        identity=torch.randn(2, identity),
        expression=torch.rand(2, expression),
        rotation=torch.eye(3).repeat(2, 1, 1),
        scale=torch.full((2,), 0.1),
        position=torch.full((2, 2), 32.0),
        light=torch.zeros(2, 9, 3),
        skin=torch.zeros(2, 3),
        points=torch.zeros(2, 1, 2),
    )
