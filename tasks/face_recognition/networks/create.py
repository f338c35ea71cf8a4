"""Build an embedding network: from normalised aligned faces to embeddings of unit length."""

from typing import Any, Literal, get_args

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
"""`embedding` is built on any backbone; `dlib_resnet` is dlib's complete network."""


class Embedder(nn.Module):
    """A network with outputs normalised to unit length.

    Args:
        body: From normalised faces to features.
        head: From features to an embedding.
    """

    def __init__(self, body: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.body = body
        self.head = head

    def forward(self, faces: Tensor) -> Tensor:
        """Embeddings of unit length, (batch, embedding), of normalised aligned faces."""
        return F.normalize(self.head(self.body(faces)))


def create_embedder(
    architecture: Architecture,
    embedding: int,
    backbone: str,
    pretrained: bool | str,
    image_size: tuple[int, int],
    dropout: float,
    **options: Any,
) -> tuple[Embedder, Constants]:
    """Build an embedding network.

    Args:
        architecture: See `Architecture`.
        embedding: Length of an embedding; 128 for dlib's network.
        backbone: A name from the registry, for `embedding`.
        pretrained: As in `visus.models.backbones.create_backbone`; for `dlib_resnet` true for
            dlib's weights, from the pip package `face-recognition-models`.
        image_size: (height, width) of the aligned faces in pixels.
        dropout: Probability that a feature is dropped before the last layer in training.
        options: Of the backbone.

    Returns:
        A network with a `body` and a `head`, and the mean and standard deviation to normalise
        faces with.

    Raises:
        VisusError: If the arguments do not go together, or as
            `visus.models.backbones.create_backbone`.
    """
    if architecture not in get_args(Architecture):
        known = ", ".join(get_args(Architecture))
        raise VisusError(f"model.architecture {architecture!r} is unknown; choose from {known}")
    if embedding < 2:
        raise VisusError(f"model.embedding {embedding} must be at least 2")
    if architecture == "dlib_resnet":
        return _create_dlib_resnet(embedding, bool(pretrained), image_size, options), (MEAN, STD)
    classifier, described = create_classifier(
        backbone, embedding, 3, pretrained, image_size, dropout, **options
    )
    # Batch norm spreads the embeddings over the sphere (Luo et al. 2019, "Bag of Tricks").
    head = nn.Sequential(classifier.get_submodule("head"), nn.BatchNorm1d(embedding))
    return Embedder(classifier.get_submodule("body"), head), (described.mean, described.std)


def _create_dlib_resnet(
    embedding: int, pretrained: bool, image_size: tuple[int, int], options: dict[str, Any]
) -> Embedder:
    if image_size != SIZE or embedding != EMBEDDING:
        raise VisusError(
            f"dlib_resnet takes faces of {SIZE[1]} x {SIZE[0]} and returns embeddings of length "
            f"{EMBEDDING}; set data.image_size to [{SIZE[0]}, {SIZE[1]}] and model.embedding to "
            f"{EMBEDDING}"
        )
    if options:
        raise VisusError(
            f"dlib_resnet has no backbone with option {next(iter(options))!r}; leave out "
            "model.backbone_options"
        )
    network = DlibResNet()
    if pretrained:
        load_dlib_weights(network, WEIGHTS[0].path())
    return Embedder(network, nn.Identity())
