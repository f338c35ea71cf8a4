"""What an embedding is trained to make small: ArcFace, CosFace, triplet loss."""

from abc import ABC, abstractmethod
from typing import Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from visus.vision.errors import VisusError

LossName = Literal["arcface", "cosface", "triplet"]

LOSSES = get_args(LossName)


class IdentityLoss(nn.Module, ABC):
    """Pulls embeddings of one person together and those of others apart."""

    @abstractmethod
    def forward(self, embeddings: Tensor, people: Tensor) -> Tensor:
        """The mean loss of a batch.

        Args:
            embeddings: float of shape (batch, numbers), of length one.
            people: int64 of shape (batch,): whose faces they are.
        """


class MarginLoss(IdentityLoss):
    """Classifies people by the angle to a centre that each has, with a margin to keep.

    Deng et al. 2019, "ArcFace: Additive Angular Margin Loss for Deep Face Recognition", and Wang et
    al. 2018, "CosFace: Large Margin Cosine Loss for Deep Face Recognition".

    Args:
        numbers: Length of an embedding.
        people: How many are trained on.
        scale: Of the cosines.
        angular_margin: In radians, ArcFace's.
        cosine_margin: CosFace's.
    """

    def __init__(
        self,
        numbers: int,
        people: int,
        scale: float,
        angular_margin: float = 0.0,
        cosine_margin: float = 0.0,
    ) -> None:
        super().__init__()
        self.scale = scale
        self.angular_margin = angular_margin
        self.cosine_margin = cosine_margin
        self.centres = nn.Parameter(torch.randn(people, numbers) / numbers**0.5)

    def forward(self, embeddings: Tensor, people: Tensor) -> Tensor:
        """See `IdentityLoss.forward`."""
        cosines = F.linear(embeddings, F.normalize(self.centres))
        own = cosines.gather(1, people[:, None])
        # At the ends of the range the angle has no slope.
        angle = own.clamp(-1 + 1e-6, 1 - 1e-6).acos() + self.angular_margin
        # Beyond half a turn the cosine rises again.
        harder = angle.clamp(max=torch.pi).cos() - self.cosine_margin
        return F.cross_entropy(self.scale * cosines.scatter(1, people[:, None], harder), people)


class TripletLoss(IdentityLoss):
    """Each face should be nearer to its farthest like than to its nearest unlike, by a margin.

    Hermans et al. 2017, "In Defense of the Triplet Loss for Person Re-Identification": the hardest
    pairs within the batch.

    Args:
        margin: In units of the distance between points on a sphere of radius one.
    """

    def __init__(self, margin: float) -> None:
        super().__init__()
        self.margin = margin

    def forward(self, embeddings: Tensor, people: Tensor) -> Tensor:
        """See `IdentityLoss.forward`; 0 where the batch shows one person only."""
        squares = 2 - 2 * embeddings @ embeddings.T
        distances = squares.clamp(min=1e-8).sqrt()
        same = people[:, None] == people[None]
        farthest = torch.where(same, distances, 0).amax(1)
        nearest = torch.where(same, torch.inf, distances).amin(1)
        return F.relu(farthest - nearest + self.margin).mean()


def create_identity_loss(
    name: LossName, numbers: int, people: int, scale: float, margin: float
) -> IdentityLoss:
    """The loss of that name.

    Args:
        name: See `LossName`.
        numbers: Length of an embedding.
        people: How many are trained on.
        scale: Of the cosines in `arcface` and `cosface`.
        margin: In radians for `arcface`, of the cosine for `cosface`, of the distance for
            `triplet`.

    Raises:
        VisusError: If there is no such loss, or scale or margin make none.
    """
    if name not in LOSSES:
        raise VisusError(f"model.loss {name!r} is unknown; choose from {', '.join(LOSSES)}")
    if scale <= 0 or margin < 0:
        raise VisusError(
            f"model.scale {scale} must be above 0 and model.margin {margin} not negative"
        )
    if name == "triplet":
        return TripletLoss(margin)
    if name == "cosface":
        return MarginLoss(numbers, people, scale, cosine_margin=margin)
    return MarginLoss(numbers, people, scale, angular_margin=margin)
