"""The network of all architectures: from clips, or frame by frame, to class logits."""

from typing import Literal

import torch
from torch import Tensor, nn

from visus.tasks.action.networks.temporal import Memory

Inputs = Literal["frames", "differences", "both"]
"""What the backbone sees: the frames, the difference of each to the previous one, or both."""

State = tuple[Tensor, ...]
"""What a network keeps between two frames; the batch is the first dimension of each tensor."""


class ClipNetwork(nn.Module):
    """Features of each frame from a backbone, and a head over the last frames of a window.

    Frame by frame it computes what it computes for a clip, and nothing twice: the state holds the
    features of the window's frames, their number, the previous frame where differences are used,
    and what the backbone's temporal layers need of earlier frames.

    Args:
        body: From normalised images to features or feature maps; it may hold temporal layers.
        neck: From there to features of shape (batch, size).
        head: From the features of a window and the number of frames so far to logits.
        memory: Of the temporal layers in `body`.
        frames: Number of frames of a window.
        inputs: What the body sees; with `both` it runs twice, and the features are concatenated.
        image_shape: (channels, height, width) of a frame.
    """

    def __init__(
        self,
        body: nn.Module,
        neck: nn.Module,
        head: nn.Module,
        memory: Memory,
        frames: int,
        inputs: Inputs,
        image_shape: tuple[int, int, int],
    ) -> None:
        super().__init__()
        self.body = body
        self.neck = neck
        self.head = head
        self.memory = memory
        self.frames = frames
        self.inputs = inputs
        self.state_shapes = self._find_state_shapes(image_shape)

    def initial_state(self, batch: int = 1) -> State:
        """The state before the first frame of a stream.

        Args:
            batch: Number of streams.
        """
        parameter = next(self.parameters())
        return tuple(
            torch.zeros(batch, *shape, device=parameter.device) for shape in self.state_shapes
        )

    def forward(self, clip: Tensor) -> Tensor:
        """Class logits of clips.

        Args:
            clip: Normalised frames, float of shape (batch, frames, channels, height, width).

        Returns:
            Shape (batch, classes).
        """
        return self._advance(clip, None)[0]

    def step(self, frame: Tensor, state: State) -> tuple[Tensor, State]:
        """Class logits after one more frame of each stream.

        Args:
            frame: Normalised frames, float of shape (batch, channels, height, width).
            state: As the previous step returned it, or `initial_state`.

        Returns:
            Logits of shape (batch, classes) for the last frames of the window, and the new state.
        """
        return self._advance(frame[:, None], state)

    def encode(self, clip: Tensor, state: State | None = None) -> Tensor:
        """Features of the frames of clips.

        Args:
            clip: Normalised frames, float of shape (batch, frames, channels, height, width).
            state: Of the streams that the clips continue; None at their beginning.

        Returns:
            Shape (batch, frames, size).
        """
        uses_previous = self.inputs != "frames"
        self.memory.begin(clip.shape[1], () if state is None else state[2 + uses_previous :])
        parts = [] if self.inputs == "differences" else [self._encode(clip)]
        if uses_previous:
            before = clip[:, :1] if state is None else self._previous(state, clip)
            parts.append(self._encode(clip - torch.cat([before, clip[:, :-1]], 1)))
        return torch.cat(parts, 2)

    def classify(self, features: Tensor) -> Tensor:
        """Class logits of the features of whole windows.

        Args:
            features: As `encode` returns them.

        Returns:
            Shape (batch, classes).
        """
        logits: Tensor = self.head(features, features.new_full((len(features), 1), self.frames))
        return logits

    def _advance(self, clip: Tensor, state: State | None) -> tuple[Tensor, State]:
        batch, count = clip.shape[:2]
        kept = () if self.inputs == "frames" else (clip[:, -1],)
        new = self.encode(clip, state)
        if state is None:
            seen = new.new_zeros(batch, 1)
            features = new.new_zeros(batch, self.frames, new.shape[2])
        else:
            features, seen = state[0].to(new.dtype), state[1]
        features = torch.cat([features, new], 1)[:, -self.frames :]
        seen = (seen + count).clamp(max=self.frames)
        logits = self.head(features, seen)
        return logits, (features, seen, *kept, *self.memory.after)

    def _encode(self, clip: Tensor) -> Tensor:
        """Features of shape (batch, frames, size)."""
        features: Tensor = self.neck(self.body(clip.flatten(0, 1)))
        return features.reshape(-1, clip.shape[1], features.shape[1])

    def _previous(self, state: State, clip: Tensor) -> Tensor:
        """The frame before a clip; its own first one at the beginning of a stream."""
        exists = state[1][:, :, None, None, None] > 0
        return torch.where(exists, state[2][:, None], clip[:, :1])

    @torch.no_grad()
    def _find_state_shapes(self, image_shape: tuple[int, int, int]) -> tuple[tuple[int, ...], ...]:
        """Shapes of the state without the batch, from a run on one frame."""
        was_training = self.training
        _, state = self.eval()._advance(torch.zeros(1, 1, *image_shape), None)
        self.train(was_training)
        return tuple(tuple(value.shape[1:]) for value in state)
