"""The decoder of a captioning network: an LSTM or GRU that generates one word after the other."""

from math import gcd
from typing import Literal, NamedTuple, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from visus.vision.errors import VisusError

CellName = Literal["lstm", "gru"]

CELLS = get_args(CellName)

TemporalName = Literal["mean", "attention"]
"""How the frames of a clip are pooled: by the mean of their feature maps, or by attention over all
positions in space and time."""

_MOTION_GROUPS = 8
"""Groups of the convolution over space and time; with one it takes most of the decoder's time."""

_ATTENTION_SIZE = 128
"""Units of the attention, in which queries and keys are compared; they take most of its time."""


class State(NamedTuple):
    """The state of a decoder between two words; the first dimension counts the captions.

    Attributes:
        values: Projected image features, float of shape (captions, positions, hidden_size).
        keys: Attention keys, (captions, positions, units); no positions without attention.
        hidden: Output of the cell, (captions, hidden_size).
        cell: Memory of an LSTM, (captions, hidden_size); zeros or unused with a GRU.
    """

    values: Tensor
    keys: Tensor
    hidden: Tensor
    cell: Tensor

    def select(self, rows: Tensor | slice) -> "State":
        """The state of these captions; rows may repeat."""
        return State(*(tensor[rows] for tensor in self))


class CaptionDecoder(nn.Module):
    """An LSTM or GRU conditioned on the feature map of an image.

    With soft attention it reads a weighted mean of the feature map before each word: Xu et al.
    2015, "Show, Attend and Tell: Neural Image Caption Generation with Visual Attention". Without,
    it reads the mean of the map once, before the first word: Vinyals et al. 2015, "Show and Tell:
    A Neural Image Caption Generator". A position embedding is added to the features (cf. Vaswani
    et al. 2017, "Attention Is All You Need"), and input and output embeddings share their weights
    (Press and Wolf 2017).

    A clip has a feature map for each frame. They are averaged over time, or attended to in space
    and time (cf. Yao et al. 2015, "Describing Videos by Exploiting Temporal Structure"), after a
    convolution over both that sees how they change from frame to frame.

    Args:
        words: Size of the vocabulary.
        channels: Channels of the feature map.
        hidden_size: Number of units of the recurrent cell and of the word embedding.
        cell: `lstm` or `gru`.
        attention: Whether to use soft attention.
        dropout: Dropout probability of image features, word embeddings and outputs.
        temporal: How the frames of clips are pooled; None for images.

    Raises:
        VisusError: If there is no such cell.
    """

    def __init__(
        self,
        words: int,
        channels: int,
        hidden_size: int = 512,
        cell: CellName = "lstm",
        attention: bool = True,
        dropout: float = 0.5,
        temporal: TemporalName | None = None,
    ) -> None:
        super().__init__()
        if cell not in CELLS:
            raise VisusError(f"model.cell {cell!r} is unknown; choose from {', '.join(CELLS)}")
        if temporal is not None and temporal not in get_args(TemporalName):
            names = ", ".join(get_args(TemporalName))
            raise VisusError(f"model.temporal {temporal!r} is unknown; choose from {names}")
        size = hidden_size
        self.attention = attention
        self.dropout = nn.Dropout(dropout)
        self.project = nn.Sequential(nn.Linear(channels, size), nn.LayerNorm(size), nn.ReLU())
        # After the normalisation: two more among a hundred channels would have hardly any effect.
        self.place = nn.Linear(2, size)
        self.attends_in_time = temporal == "attention"
        if self.attends_in_time:
            self.moment = nn.Linear(1, size)
            self.motion = nn.Conv3d(size, size, 3, padding=1, groups=gcd(_MOTION_GROUPS, size))
        self.embed = nn.Embedding(words, size)
        nn.init.normal_(self.embed.weight, std=size**-0.5)
        if attention:
            self.key = nn.Linear(size, _ATTENTION_SIZE)
            self.query = nn.Linear(size, _ATTENTION_SIZE)
            self.compare = nn.Linear(_ATTENTION_SIZE, 1, bias=False)
            self.gate = nn.Linear(size, size)
            self.begin_hidden = nn.Linear(size, size)
            self.begin_cell = nn.Linear(size, size)
            # A GRU has no cell state, and DistributedDataParallel needs the gradient of every
            # trainable weight.
            self.begin_cell.requires_grad_(cell == "lstm")
        recurrent = nn.LSTMCell if cell == "lstm" else nn.GRUCell
        self.cell = recurrent(2 * size if attention else size, size)
        self.output = nn.Linear(2 * size if attention else size, size)
        self.bias = nn.Parameter(torch.zeros(words))

    def start(self, features: Tensor) -> State:
        """The initial state, before the first word.

        Args:
            features: Feature maps, float of shape (images, channels, rows, columns) or (clips,
                frames, channels, rows, columns).
        """
        if self.attends_in_time:
            values = self._values_of_clips(features if features.ndim == 5 else features[:, None])
        else:
            values = self._values(features if features.ndim == 4 else features.mean(1))
        mean = values.mean(1)
        if self.attention:
            keys = self.key(values)
            hidden = torch.tanh(self.begin_hidden(mean))
            return State(values, keys, hidden, torch.tanh(self.begin_cell(mean)))
        zeros = torch.zeros_like(mean)
        return self._update(mean, State(values, values[:, :0], zeros, zeros))

    def _values(self, features: Tensor) -> Tensor:
        """Projected features, (..., positions, hidden_size), of (..., channels, rows, columns)."""
        flat = self.dropout(features).flatten(-2).transpose(-1, -2)
        values: Tensor = self.project(flat) + self.place(_coordinates(features))
        return values

    def _values_of_clips(self, features: Tensor) -> Tensor:
        """Projected features of (clips, frames, channels, rows, columns).

        Returns:
            (clips, frames * rows * columns, hidden_size).
        """
        clips, frames, _, rows, columns = features.shape
        times = torch.linspace(-1, 1, frames, device=features.device, dtype=features.dtype)
        values = self._values(features) + self.moment(times[:, None])[:, None]
        volume = values.transpose(1, 3).reshape(clips, -1, rows, columns, frames)
        changes: Tensor = F.relu(self.motion(volume)).flatten(2, 3).transpose(1, 3)
        both: Tensor = values + changes
        return both.flatten(1, 2)

    def step(self, words: Tensor, state: State) -> tuple[Tensor, State, Tensor]:
        """Read one word of each caption and predict the next.

        Args:
            words: Word ids, int64 of shape (captions,).
            state: The state after the words before.

        Returns:
            Logits of shape (captions, words); the new state; the attention weights, (captions,
            positions), with no positions without attention.
        """
        embedded = self.dropout(self.embed(words))
        if not self.attention:
            state = self._update(embedded, state)
            output = self.output(self.dropout(state.hidden))
            return self._logits(output), state, state.keys[..., 0]
        compared = torch.tanh(state.keys + self.query(state.hidden)[:, None])
        weights = self.compare(compared)[..., 0].softmax(1)
        context = (weights[:, None] @ state.values)[:, 0]
        context = torch.sigmoid(self.gate(state.hidden)) * context
        state = self._update(torch.cat([embedded, context], 1), state)
        output = embedded + self.output(self.dropout(torch.cat([state.hidden, context], 1)))
        return self._logits(output), state, weights

    def _update(self, inputs: Tensor, state: State) -> State:
        if isinstance(self.cell, nn.LSTMCell):
            hidden, cell = self.cell(inputs, (state.hidden, state.cell))
            return State(state.values, state.keys, hidden, cell)
        return state._replace(hidden=self.cell(inputs, state.hidden))

    def _logits(self, output: Tensor) -> Tensor:
        return F.linear(self.dropout(torch.tanh(output)), self.embed.weight, self.bias)


def _coordinates(features: Tensor) -> Tensor:
    """Vertical and horizontal position in a feature map, -1 to 1, of shape (positions, 2)."""
    rows, columns = features.shape[-2:]
    down = torch.linspace(-1, 1, rows, device=features.device, dtype=features.dtype)
    right = torch.linspace(-1, 1, columns, device=features.device, dtype=features.dtype)
    return torch.stack(torch.meshgrid(down, right, indexing="ij"), -1).flatten(0, 1)
