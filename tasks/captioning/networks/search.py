"""Write captions with a decoder: the surest word each time, the best of many, or at random."""

import torch
from torch import Tensor

from visus.tasks.captioning.networks.decoder import CaptionDecoder, State
from visus.vision.vocabulary import BEGIN, END, PAD, UNKNOWN


def forbid(logits: Tensor) -> Tensor:
    """Log-probabilities under which nothing is written that is no word, `END` excepted."""
    banned = torch.zeros(logits.shape[-1], dtype=torch.bool, device=logits.device)
    banned[[PAD, BEGIN, UNKNOWN]] = True
    return logits.masked_fill(banned, float("-inf")).log_softmax(-1)


def greedy_search(
    decoder: CaptionDecoder, state: State, length: int
) -> tuple[Tensor, Tensor, Tensor]:
    """The surest word each time, for a fixed number of steps; what follows `END` is `PAD`.

    Args:
        decoder: What writes.
        state: Of each image, from `CaptionDecoder.start`.
        length: Words at most, the end included.

    Returns:
        Words, int64 of shape (images, length); the sum of their log-probabilities, (images,);
        where each word looked, (images, length, places).
    """
    return _write(decoder, state, length, sample=False)


def sample_captions(
    decoder: CaptionDecoder, state: State, length: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Words drawn by their probabilities; see `write_greedily`."""
    return _write(decoder, state, length, sample=True)


def _write(
    decoder: CaptionDecoder, state: State, length: int, sample: bool
) -> tuple[Tensor, Tensor, Tensor]:
    word = torch.full_like(state.hidden[:, 0], BEGIN, dtype=torch.long)
    total = torch.zeros_like(state.hidden[:, 0])
    ended = torch.zeros_like(word, dtype=torch.bool)
    words, places = [], []
    for _ in range(length):
        logits, state, looked = decoder.step(word, state)
        sure = forbid(logits)
        word = torch.multinomial(sure.exp(), 1)[:, 0] if sample else sure.argmax(1)
        total = total + torch.where(ended, 0.0, sure.gather(1, word[:, None])[:, 0])
        word = torch.where(ended, PAD, word)
        ended = ended | (word == END)
        words.append(word)
        places.append(looked)
    return torch.stack(words, 1), total, torch.stack(places, 1)


def beam_search(
    decoder: CaptionDecoder, state: State, length: int, beams: int, length_power: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Beam search: keep the best beginnings of captions, and tell the best whole ones.

    Args:
        decoder: What writes.
        state: Of each image, from `CaptionDecoder.start`.
        length: Words at most, the end included.
        beams: How many beginnings are kept, and captions told.
        length_power: Captions are compared by their log-probability over their length to this
            power: 0 prefers short ones, 1 compares the mean of a word (Wu et al. 2016).

    Returns:
        As `write_greedily`, with a dimension of `beams` captions after that of the images, the
        best first.
    """
    images, device = len(state.hidden), state.hidden.device
    firsts = torch.arange(images, device=device)[:, None] * beams
    state = state.select(torch.arange(images, device=device).repeat_interleave(beams))
    words = torch.full((images * beams, 0), PAD, dtype=torch.long, device=device)
    attention_maps = torch.zeros((images * beams, 0, state.keys.shape[1]), device=device)
    word = torch.full((images * beams,), BEGIN, dtype=torch.long, device=device)
    # All beams begin alike, so that only one may grow at first.
    total = torch.full((images, beams), float("-inf"), device=device)
    total[:, 0] = 0.0
    lengths = torch.zeros((images, beams), device=device)
    ended = torch.zeros((images, beams), dtype=torch.bool, device=device)
    for _ in range(length):
        logits, state, looked = decoder.step(word, state)
        sure = forbid(logits).view(images, beams, -1)
        # An ended caption goes on in one way only, which costs nothing.
        stay = torch.full_like(sure, float("-inf"))
        stay[..., PAD] = 0.0
        grown = total[..., None] + torch.where(ended[..., None], stay, sure)
        new_lengths = lengths + (~ended).float()
        rank = grown / new_lengths.clamp(min=1)[..., None] ** length_power
        best = rank.flatten(1).topk(beams).indices
        origin, chosen = best // sure.shape[2], best % sure.shape[2]
        rows = (firsts + origin).flatten()
        total = grown.flatten(1).gather(1, best)
        lengths = new_lengths.gather(1, origin)
        ended = ended.gather(1, origin) | (chosen == END)
        state = state.select(rows)
        word = chosen.flatten()
        words = torch.cat([words[rows], word[:, None]], 1)
        attention_maps = torch.cat([attention_maps[rows], looked[rows][:, None]], 1)
        if bool(ended.all()):
            break
    missing = length - words.shape[1]
    words = torch.nn.functional.pad(words, (0, missing), value=PAD)
    attention_maps = torch.nn.functional.pad(attention_maps, (0, 0, 0, missing))
    shape = (images, beams)
    return words.view(*shape, length), total, attention_maps.view(*shape, length, -1)
