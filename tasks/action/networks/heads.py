"""Heads from the features of a window of frames to class logits."""

from typing import Literal

import torch
from torch import Tensor, nn

Cell = Literal["gru", "lstm"]


def valid_frames(features: Tensor, seen: Tensor) -> Tensor:
    """Which frames of a window exist: the last `seen` ones.

    Args:
        features: Shape (batch, frames, size).
        seen: Number of frames so far, float of shape (batch, 1).

    Returns:
        bool of shape (batch, frames).
    """
    frames = features.shape[1]
    return torch.arange(frames, device=features.device) >= frames - seen


class MeanHead(nn.Module):
    """A linear layer on the mean of the features.

    The consensus of Wang et al. 2016, "Temporal Segment Networks", arXiv:1608.00859.

    Args:
        size: Number of features of a frame.
        classes: Number of logits.
        dropout: Dropout probability of the mean.
    """

    def __init__(self, size: int, classes: int, dropout: float) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(size, classes)

    def forward(self, features: Tensor, seen: Tensor) -> Tensor:
        """Logits of shape (batch, classes); for the arguments see `valid_frames`."""
        valid = valid_frames(features, seen).to(features.dtype)
        mean = (features * valid[..., None]).sum(1) / valid.sum(1, keepdim=True).clamp(min=1)
        logits: Tensor = self.linear(self.dropout(mean))
        return logits


class RecurrentHead(nn.Module):
    """A recurrent cell over the frames of the window, and a linear layer on its last output.

    The cell begins anew for each window, so that a long stream is no different from the windows
    of the training.

    Args:
        size: Number of features of a frame.
        classes: Number of logits.
        dropout: Dropout probability of the features and of the cell's last output.
        cell: `gru` (Cho et al. 2014) or `lstm` (Hochreiter and Schmidhuber 1997).
        hidden_size: Number of units of the cell.
    """

    def __init__(
        self, size: int, classes: int, dropout: float, cell: Cell, hidden_size: int
    ) -> None:
        super().__init__()
        self.hidden_size = hidden_size
        self.norm = nn.LayerNorm(size)
        self.dropout = nn.Dropout(dropout)
        self.cell = (nn.GRUCell if cell == "gru" else nn.LSTMCell)(size, hidden_size)
        self.linear = nn.Linear(hidden_size, classes)

    def forward(self, features: Tensor, seen: Tensor) -> Tensor:
        """Logits of shape (batch, classes); for the arguments see `valid_frames`."""
        valid = valid_frames(features, seen)
        inputs = self.dropout(self.norm(features))
        hidden = memory = inputs.new_zeros(inputs.shape[0], self.hidden_size)
        for i in range(features.shape[1]):
            is_valid = valid[:, i : i + 1]
            if isinstance(self.cell, nn.LSTMCell):
                new, new_memory = self.cell(inputs[:, i], (hidden, memory))
                memory = torch.where(is_valid, new_memory, memory)
            else:
                new = self.cell(inputs[:, i], hidden)
            hidden = torch.where(is_valid, new, hidden)
        logits: Tensor = self.linear(self.dropout(hidden))
        return logits
