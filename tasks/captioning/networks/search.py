"""Generate captions with a decoder: greedy search, beam search, sampling."""

import torch
from torch import Tensor
from torch.nn import functional as F

from visus.tasks.captioning.networks.decoder import CaptionDecoder, State
from visus.vision.vocabulary import BEGIN, END, PAD, UNKNOWN


def log_probabilities(logits: Tensor) -> Tensor:
    """Log-probabilities of the next word, without special tokens other than `END`."""
    masked = torch.zeros(logits.shape[-1], dtype=torch.bool, device=logits.device)
    masked[[PAD, BEGIN, UNKNOWN]] = True
    return logits.masked_fill(masked, float("-inf")).log_softmax(-1)


def greedy_search(
    decoder: CaptionDecoder, state: State, length: int
) -> tuple[Tensor, Tensor, Tensor]:
    """The most probable word at each step, for a fixed number of steps; `PAD` follows `END`.

    Args:
        decoder: The decoder.
        state: Initial state for each image, from `CaptionDecoder.start`.
        length: Maximum number of words, `END` included.

    Returns:
        Word ids, int64 of shape (images, length); the sum of their log-probabilities, (images,);
        the attention weights, (images, length, positions).
    """
    return _generate(decoder, state, length, sample=False)


def sample_captions(
    decoder: CaptionDecoder, state: State, length: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Words sampled from their probabilities; arguments and results as `greedy_search`."""
    return _generate(decoder, state, length, sample=True)


def _generate(
    decoder: CaptionDecoder, state: State, length: int, sample: bool
) -> tuple[Tensor, Tensor, Tensor]:
    word = torch.full_like(state.hidden[:, 0], BEGIN, dtype=torch.long)
    total = torch.zeros_like(state.hidden[:, 0])
    ended = torch.zeros_like(word, dtype=torch.bool)
    words, attention_weights = [], []
    for _ in range(length):
        logits, state, weights = decoder.step(word, state)
        scores = log_probabilities(logits)
        word = torch.multinomial(scores.exp(), 1)[:, 0] if sample else scores.argmax(1)
        total = total + torch.where(ended, 0.0, scores.gather(1, word[:, None])[:, 0])
        word = torch.where(ended, PAD, word)
        ended = ended | (word == END)
        words.append(word)
        attention_weights.append(weights)
    return torch.stack(words, 1), total, torch.stack(attention_weights, 1)


def beam_search(
    decoder: CaptionDecoder, state: State, length: int, beams: int, length_power: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Extend the best partial captions at each step, and return the best complete ones.

    Args:
        decoder: The decoder.
        state: Initial state for each image, from `CaptionDecoder.start`.
        length: Maximum number of words, `END` included.
        beams: Beam width: number of partial captions, and of captions returned.
        length_power: Captions are ranked by their log-probability over their length to this power:
            0 prefers short ones, 1 ranks by the mean of a word (Wu et al. 2016).

    Returns:
        As `greedy_search`, with a dimension of `beams` captions after that of the images, sorted by
        descending rank.
    """
    images, device = len(state.hidden), state.hidden.device
    offsets = torch.arange(images, device=device)[:, None] * beams
    state = state.select(torch.arange(images, device=device).repeat_interleave(beams))
    words = torch.full((images * beams, 0), PAD, dtype=torch.long, device=device)
    attention_weights = torch.zeros((images * beams, 0, state.keys.shape[1]), device=device)
    word = torch.full((images * beams,), BEGIN, dtype=torch.long, device=device)
    # All beams start equal, so that only one may be extended at first.
    total = torch.full((images, beams), float("-inf"), device=device)
    total[:, 0] = 0.0
    lengths = torch.zeros((images, beams), device=device)
    ended = torch.zeros((images, beams), dtype=torch.bool, device=device)
    for _ in range(length):
        logits, state, weights = decoder.step(word, state)
        scores = log_probabilities(logits).view(images, beams, -1)
        # A complete caption is extended by padding only, at no cost.
        padding = torch.full_like(scores, float("-inf"))
        padding[..., PAD] = 0.0
        extended = total[..., None] + torch.where(ended[..., None], padding, scores)
        new_lengths = lengths + (~ended).float()
        rank = extended / new_lengths.clamp(min=1)[..., None] ** length_power
        best = rank.flatten(1).topk(beams).indices
        origin, chosen = best // scores.shape[2], best % scores.shape[2]
        rows = (offsets + origin).flatten()
        total = extended.flatten(1).gather(1, best)
        lengths = new_lengths.gather(1, origin)
        ended = ended.gather(1, origin) | (chosen == END)
        state = state.select(rows)
        word = chosen.flatten()
        words = torch.cat([words[rows], word[:, None]], 1)
        attention_weights = torch.cat([attention_weights[rows], weights[rows][:, None]], 1)
        if bool(ended.all()):
            break
    missing = length - words.shape[1]
    words = F.pad(words, (0, missing), value=PAD)
    attention_weights = F.pad(attention_weights, (0, 0, 0, missing))
    shape = (images, beams)
    return words.view(*shape, length), total, attention_weights.view(*shape, length, -1)
