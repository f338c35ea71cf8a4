import pytest
import torch

from visus.models.face3d.face_models import open_face_model
from visus.models.face3d.morphable import MorphableFace
from visus.tasks.face3d.networks.losses import FaceLosses


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
