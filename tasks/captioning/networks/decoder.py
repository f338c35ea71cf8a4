"""The half of a captioner that tells: a recurrent network that writes word after word."""

from typing import Literal, NamedTuple, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from visus.vision.errors import VisusError

CellName = Literal["lstm", "gru"]

CELLS = get_args(CellName)

_COMPARED = 128
"""Numbers by which attention compares places; most of its time goes there."""


class State(NamedTuple):
    """What a decoder remembers between two words, each tensor's first dimension the captions.

    Attributes:
        values: The image's places, float of shape (captions, places, hidden).
        keys: The same as attention compares them; empty without attention.
        hidden: The cell's output, (captions, hidden).
        cell: The cell's memory, (captions, hidden); a GRU has none and leaves it be.
    """

    values: Tensor
    keys: Tensor
    hidden: Tensor
    cell: Tensor

    def select(self, rows: Tensor | slice) -> "State":
        """The state of these captions, which may repeat."""
        return State(*(tensor[rows] for tensor in self))


class CaptionDecoder(nn.Module):
    """An LSTM or GRU that is given an image's feature map.

    With soft attention it looks at the map anew for each word: Xu et al. 2015, "Show, Attend and
    Tell: Neural Image Caption Generation with Visual Attention". Without, it is shown the map's
    mean before the first word: Vinyals et al. 2015, "Show and Tell: A Neural Image Caption
    Generator". To what is seen at each place is added where it is, as in Vaswani et al. 2017,
    "Attention Is All You Need", and the matrix of words is shared by both ends (Press and Wolf
    2017).

    Args:
        words: How many words there are.
        channels: Of the feature map.
        hidden: Numbers that the cell remembers, and that a word is.
        cell: `lstm` or `gru`.
        attention: Whether to look at places of the image.
        dropout: Share of the numbers dropped in training, of features, words and outputs.

    Raises:
        VisusError: If there is no such cell.
    """

    def __init__(
        self,
        words: int,
        channels: int,
        hidden: int = 512,
        cell: CellName = "lstm",
        attention: bool = True,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        if cell not in CELLS:
            raise VisusError(f"model.cell {cell!r} is unknown; choose from {', '.join(CELLS)}")
        self.attention = attention
        self.dropout = nn.Dropout(dropout)
        self.project = nn.Sequential(nn.Linear(channels, hidden), nn.LayerNorm(hidden), nn.ReLU())
        # After the normalisation: among a hundred channels two more would hardly be heard.
        self.place = nn.Linear(2, hidden)
        self.embed = nn.Embedding(words, hidden)
        nn.init.normal_(self.embed.weight, std=hidden**-0.5)
        if attention:
            self.key = nn.Linear(hidden, _COMPARED)
            self.query = nn.Linear(hidden, _COMPARED)
            self.compare = nn.Linear(_COMPARED, 1, bias=False)
            self.gate = nn.Linear(hidden, hidden)
            self.begin_hidden = nn.Linear(hidden, hidden)
            self.begin_cell = nn.Linear(hidden, hidden)
        recurrent = nn.LSTMCell if cell == "lstm" else nn.GRUCell
        self.cell = recurrent(2 * hidden if attention else hidden, hidden)
        self.output = nn.Linear(2 * hidden if attention else hidden, hidden)
        self.bias = nn.Parameter(torch.zeros(words))

    def start(self, features: Tensor) -> State:
        """Look at images, before the first word.

        Args:
            features: float of shape (images, channels, rows, columns).
        """
        seen = self.dropout(features).flatten(2).transpose(1, 2)
        values = self.project(seen) + self.place(_coordinates(features))
        mean = values.mean(1)
        if self.attention:
            keys = self.key(values)
            hidden = torch.tanh(self.begin_hidden(mean))
            return State(values, keys, hidden, torch.tanh(self.begin_cell(mean)))
        nothing = torch.zeros_like(mean)
        shown = self._remember(mean, State(values, values[:, :0], nothing, nothing))
        return shown

    def step(self, words: Tensor, state: State) -> tuple[Tensor, State, Tensor]:
        """Read one word of each caption and tell the next.

        Args:
            words: int64 of shape (captions,).
            state: After the words before.

        Returns:
            Logits of shape (captions, words); the state; how much each place was looked at,
            (captions, places), of no columns without attention.
        """
        embedded = self.dropout(self.embed(words))
        if not self.attention:
            state = self._remember(embedded, state)
            told = self.output(self.dropout(state.hidden))
            return self._logits(told), state, state.keys[..., 0]
        compared = torch.tanh(state.keys + self.query(state.hidden)[:, None])
        looked = self.compare(compared)[..., 0].softmax(1)
        seen = (looked[:, None] @ state.values)[:, 0]
        seen = torch.sigmoid(self.gate(state.hidden)) * seen
        state = self._remember(torch.cat([embedded, seen], 1), state)
        told = embedded + self.output(self.dropout(torch.cat([state.hidden, seen], 1)))
        return self._logits(told), state, looked

    def _remember(self, read: Tensor, state: State) -> State:
        if isinstance(self.cell, nn.LSTMCell):
            hidden, cell = self.cell(read, (state.hidden, state.cell))
            return State(state.values, state.keys, hidden, cell)
        return state._replace(hidden=self.cell(read, state.hidden))

    def _logits(self, told: Tensor) -> Tensor:
        return F.linear(self.dropout(torch.tanh(told)), self.embed.weight, self.bias)


def _coordinates(features: Tensor) -> Tensor:
    """(places, 2): how far down and right each place of feature maps is, -1 to 1."""
    rows, columns = features.shape[2:]
    down = torch.linspace(-1, 1, rows, device=features.device, dtype=features.dtype)
    right = torch.linspace(-1, 1, columns, device=features.device, dtype=features.dtype)
    return torch.stack(torch.meshgrid(down, right, indexing="ij"), -1).flatten(0, 1)
