"""Build an embedding network: from an aligned face to the numbers that tell whose it is."""

from typing import Literal, get_args

from torch import Tensor, nn
from torch.nn import functional as F

from visus.models.backbones.base import Constants
from visus.models.backbones.classifier import create_classifier
from visus.tasks.face_recognition.networks.dlib_resnet import (
    EMBEDDING,
    MEAN,
    SIZE,
    STD,
    DlibResNet,
    load_dlib_weights,
)
from visus.tasks.face_recognition.weights import WEIGHTS
from visus.vision.errors import VisusError

Architecture = Literal["embedding", "dlib_resnet"]
"""`embedding` stands on any backbone; `dlib_resnet` is dlib's network, whole."""

ARCHITECTURES = get_args(Architecture)


class Embedder(nn.Module):
    """A network whose outputs are brought to length one.

    Args:
        body: From normalised faces to features.
        head: From there to an embedding.
    """

    def __init__(self, body: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.body = body
        self.head = head

    def forward(self, faces: Tensor) -> Tensor:
        """Embeddings of length one, (batch, numbers), of normalised aligned faces."""
        return F.normalize(self.head(self.body(faces)))


def create_embedder(
    architecture: Architecture,
    numbers: int,
    backbone: str,
    pretrained: bool | str,
    image_size: tuple[int, int],
    dropout: float,
) -> tuple[Embedder, Constants]:
    """Build an embedding network, and tell the constants that its faces are normalised with.

    Args:
        architecture: See `Architecture`.
        numbers: Length of an embedding; dlib's network has 128.
        backbone: A name from the registry, for `embedding`.
        pretrained: As in `visus.models.backbones.create_backbone`; for `dlib_resnet` `True` for dlib's
            weights, from the pip package `face-recognition-models`.
        image_size: (height, width) of the aligned faces in pixels.
        dropout: Share of the features dropped before the last layer in training.

    Returns:
        A network with a `body` and a `head`.

    Raises:
        VisusError: If these do not go together, or as `visus.models.backbones.create_backbone`.
    """
    if architecture not in ARCHITECTURES:
        known = ", ".join(ARCHITECTURES)
        raise VisusError(f"model.architecture {architecture!r} is unknown; choose from {known}")
    if numbers < 2:
        raise VisusError(f"model.embedding {numbers} must be at least 2")
    if architecture == "dlib_resnet":
        if image_size != SIZE or numbers != EMBEDDING:
            raise VisusError(
                f"dlib_resnet takes faces of {SIZE[1]} x {SIZE[0]} and gives {EMBEDDING} numbers; "
                f"set data.image_size to [{SIZE[0]}, {SIZE[1]}] and model.embedding to {EMBEDDING}"
            )
        network = DlibResNet()
        if pretrained:
            entry = WEIGHTS[0]
            assert entry is not None
            load_dlib_weights(network, entry.path())
        return Embedder(network, nn.Identity()), (MEAN, STD)
    classifier, described = create_classifier(backbone, numbers, 3, pretrained, image_size, dropout)
    # Batch norm spreads the embeddings over the sphere (Luo et al. 2019, "Bag of Tricks").
    head = nn.Sequential(classifier.get_submodule("head"), nn.BatchNorm1d(numbers))
    return Embedder(classifier.get_submodule("body"), head), (described.mean, described.std)
