"""Losses of embeddings: ArcFace, CosFace and the triplet loss."""

from abc import ABC, abstractmethod
from typing import Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from visus.vision.errors import VisusError

LossName = Literal["arcface", "cosface", "triplet"]

_MARGINS: dict[LossName, float] = {"arcface": 0.5, "cosface": 0.35, "triplet": 0.3}
"""Default margins."""


class IdentityLoss(nn.Module, ABC):
    """Small where embeddings of one person are similar and those of others are not."""

    @abstractmethod
    def forward(self, embeddings: Tensor, people: Tensor) -> Tensor:
        """The mean loss of a batch.

        Args:
            embeddings: float of shape (batch, embedding), of unit length.
            people: Ids of the people, int64 of shape (batch,).
        """


class MarginLoss(IdentityLoss):
    """Classifies people by the angle to a trained centre of each, with a margin.

    Deng et al. 2019, "ArcFace: Additive Angular Margin Loss for Deep Face Recognition", and Wang et
    al. 2018, "CosFace: Large Margin Cosine Loss for Deep Face Recognition".

    Args:
        embedding: Length of an embedding.
        people: Number of people in the training set.
        scale: Factor of the cosines.
        angular_margin: Added to the angle to the own centre, in radians (ArcFace).
        cosine_margin: Subtracted from the cosine of this angle (CosFace).
    """

    def __init__(
        self,
        embedding: int,
        people: int,
        scale: float,
        angular_margin: float = 0.0,
        cosine_margin: float = 0.0,
    ) -> None:
        super().__init__()
        self.scale = scale
        self.angular_margin = angular_margin
        self.cosine_margin = cosine_margin
        self.centres = nn.Parameter(torch.randn(people, embedding) / embedding**0.5)

    def forward(self, embeddings: Tensor, people: Tensor) -> Tensor:
        """See `IdentityLoss.forward`."""
        cosines = F.linear(embeddings, F.normalize(self.centres))
        own = cosines.gather(1, people[:, None])
        # At -1 and 1 the gradient of the angle is infinite.
        angle = own.clamp(-1 + 1e-6, 1 - 1e-6).acos() + self.angular_margin
        # Beyond pi the cosine increases again.
        harder = angle.clamp(max=torch.pi).cos() - self.cosine_margin
        return F.cross_entropy(self.scale * cosines.scatter(1, people[:, None], harder), people)


class TripletLoss(IdentityLoss):
    """The farthest face of the same person must be nearer than any of another, by a margin.

    Hermans et al. 2017, "In Defense of the Triplet Loss for Person Re-Identification": the hardest
    triplets of the batch.

    Args:
        margin: Of the Euclidean distance between points on the unit sphere.
    """

    def __init__(self, margin: float) -> None:
        super().__init__()
        self.margin = margin

    def forward(self, embeddings: Tensor, people: Tensor) -> Tensor:
        """See `IdentityLoss.forward`; 0 in a batch of a single person."""
        squares = 2 - 2 * embeddings @ embeddings.T
        distances = squares.clamp(min=1e-8).sqrt()
        same = people[:, None] == people[None]
        farthest = torch.where(same, distances, 0).amax(1)
        nearest = torch.where(same, torch.inf, distances).amin(1)
        return F.relu(farthest - nearest + self.margin).mean()


def create_identity_loss(
    name: LossName, embedding: int, people: int, scale: float, margin: float | None = None
) -> IdentityLoss:
    """Build the loss of a name.

    Args:
        name: See `LossName`.
        embedding: Length of an embedding.
        people: Number of people in the training set.
        scale: Factor of the cosines in `arcface` and `cosface`.
        margin: In radians for `arcface`, of the cosine for `cosface`, of the distance for
            `triplet`; None for its default.

    Raises:
        VisusError: If there is no such loss, or scale or margin are out of range.
    """
    if name not in get_args(LossName):
        known = ", ".join(get_args(LossName))
        raise VisusError(f"model.loss {name!r} is unknown; choose from {known}")
    margin = _MARGINS[name] if margin is None else margin
    if scale <= 0 or margin < 0:
        raise VisusError(
            f"model.scale {scale} must be above 0 and model.margin {margin} must not be negative"
        )
    if name == "triplet":
        return TripletLoss(margin)
    if name == "cosface":
        return MarginLoss(embedding, people, scale, cosine_margin=margin)
    return MarginLoss(embedding, people, scale, angular_margin=margin)
