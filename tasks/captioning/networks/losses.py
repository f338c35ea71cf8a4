"""Losses of a caption decoder: cross-entropy with reference captions, and self-critical."""

import torch
from torch import Tensor
from torch.nn import functional as F

from visus.tasks.captioning.networks.decoder import CaptionDecoder, State
from visus.vision.vocabulary import BEGIN, PAD


def caption_loss(
    decoder: CaptionDecoder,
    state: State,
    words: Tensor,
    sampling_probability: float,
    smoothing: float,
) -> Tensor:
    """The mean cross-entropy of each word given the words before it (teacher forcing).

    Args:
        decoder: The decoder.
        state: Initial state for each caption's image, from `CaptionDecoder.start`.
        words: Word ids of the reference captions, int64 of shape (captions, length), padded with
            `PAD`.
        sampling_probability: Probability that the decoder reads its own prediction instead of the
            reference word: Bengio et al. 2015, "Scheduled Sampling for Sequence Prediction".
        smoothing: Label smoothing, 0 to 1.
    """
    # Sorted by descending length, so that captions that have ended need no further steps.
    lengths, order = (words != PAD).sum(1).sort(descending=True)
    words, state = words[order], state.select(order)
    word = torch.full_like(words[:, 0], BEGIN)
    predictions, targets = [], []
    for i in range(int(lengths[0])):
        active = int((lengths > i).sum())
        logits, state, _ = decoder.step(word[:active], state.select(slice(active)))
        predictions.append(logits)
        word = words[:active, i]
        targets.append(word)
        if sampling_probability:
            sampled = torch.rand_like(logits[:, 0]) < sampling_probability
            word = torch.where(sampled, logits.argmax(1), word)
    return F.cross_entropy(torch.cat(predictions), torch.cat(targets), label_smoothing=smoothing)


def self_critical_loss(totals: Tensor, rewards: Tensor) -> Tensor:
    """Policy gradient: raises the probability of captions with an above-average reward.

    Rennie et al. 2017, "Self-critical Sequence Training for Image Captioning"; the baseline is the
    mean reward of the other captions of the same image, as in Luo 2020, "A Better Variant of
    Self-Critical Sequence Training".

    Args:
        totals: Log-probabilities of sampled captions, (images, captions), at least two captions.
        rewards: Rewards of the captions, of the same shape.
    """
    baseline = (rewards.sum(1, keepdim=True) - rewards) / (rewards.shape[1] - 1)
    return -((rewards - baseline) * totals).mean()
