"""A Markov random field as convolution layers: neighbouring labels that suit each other."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

_STRIDE = 4
"""Of the cells of the field, in pixels."""
_RADIUS = 3
"""Cells on each side over which scores are averaged along the image's edges."""
_CONTEXT = 9
"""Height and width of the filters of the context, in cells."""
_COMPONENTS = 4
"""Contexts in which a label may occur; the most favourable one counts."""

_STRENGTH = 3.0
"""By how much a label is favoured at first where all neighbours have it, in units of the logits."""


class MarkovRandomField(nn.Module):
    """One mean-field step of a Markov random field, trained together with the segmenter.

    Liu et al. 2015, "Semantic Image Segmentation via Deep Parsing Network": the energy of a label
    at a cell is its unary term, the segmenter's logit, and a pairwise term, which layers compute:

    1. the scores of each cell are averaged with those of its neighbours of similar colour;
    2. filters of each label over these averages, and a mixture of label compatibilities, give the
       penalty of the label in several contexts;
    3. the minimum over the contexts is subtracted from the logit.

    The paper's filters from every label to every label are factorised into one for each label and
    a matrix of compatibilities, so that their cost grows little with the number of classes.

    Args:
        num_classes: Number of classes.
    """

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.num_classes = num_classes
        # Logarithms, so that both stay positive; for images normalised to about -1 to 1.
        self.colour = nn.Parameter(torch.tensor(math.log(10.0)))
        self.distance = nn.Parameter(torch.tensor(math.log(0.1)))
        channels = num_classes * _COMPONENTS
        self.context = nn.Conv2d(
            num_classes, channels, _CONTEXT, padding=_CONTEXT // 2, groups=num_classes, bias=False
        )
        self.compatibility = nn.Conv2d(channels, channels, 1, groups=_COMPONENTS)
        # At first a label is favoured where its neighbours have it, in every context alike but for
        # a little noise, by which the contexts become different.
        with torch.no_grad():
            self.context.weight.normal_(0, 0.01)
            self.context.weight[..., _CONTEXT // 2, _CONTEXT // 2] += 1
            same = torch.eye(num_classes).repeat(_COMPONENTS, 1)
            self.compatibility.weight.copy_(-_STRENGTH * same[..., None, None])
            self.compatibility.weight.add_(torch.randn_like(self.compatibility.weight) * 0.01)
            assert self.compatibility.bias is not None
            nn.init.zeros_(self.compatibility.bias)

    def forward(self, images: Tensor, logits: Tensor) -> Tensor:
        """Refined logits.

        Args:
            images: Normalised, of shape (batch, channels, height, width).
            logits: Of shape (batch, classes, rows, columns), which cover the images.

        Returns:
            Shape (batch, classes, rows, columns), at a stride of 4 where `logits` is coarser.
        """
        size = [-(-side // _STRIDE) for side in images.shape[2:]]
        cells = F.interpolate(logits, size=size, mode="bilinear")
        colours = F.interpolate(images, size=size, mode="area")
        averages = self._average(cells.softmax(1), colours)
        batch, classes = averages.shape[:2]
        contexts = self.context(averages)
        # From label by label to context by context.
        contexts = contexts.view(batch, classes, _COMPONENTS, *size).transpose(1, 2)
        penalties = self.compatibility(contexts.reshape(batch, -1, *size))
        penalty: Tensor = penalties.view(batch, _COMPONENTS, classes, *size).amin(1)
        if logits.shape[2] <= size[0]:
            return cells - penalty
        return logits - F.interpolate(penalty, size=logits.shape[2:], mode="bilinear")

    def _average(self, scores: Tensor, colours: Tensor) -> Tensor:
        """The mean of the scores around each cell, weighted by colour and distance."""
        rows, columns = scores.shape[2:]
        border = (_RADIUS,) * 4
        padded = F.pad(torch.cat([scores, colours], 1), border, mode="replicate")
        precision, decay = self.colour.exp(), self.distance.exp()
        total, weights = torch.zeros_like(scores), torch.zeros_like(scores[:, :1])
        for y in range(2 * _RADIUS + 1):
            for x in range(2 * _RADIUS + 1):
                near = padded[..., y : y + rows, x : x + columns]
                differences = (near[:, self.num_classes :] - colours).square().sum(1, True)
                squared = (y - _RADIUS) ** 2 + (x - _RADIUS) ** 2
                weight = torch.exp(-precision * differences - decay * squared)
                total = total + weight * near[:, : self.num_classes]
                weights = weights + weight
        return torch.div(total, weights)
