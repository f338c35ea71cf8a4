"""What a decoder learns from: people's captions, word by word, or the score of its own."""

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
    """The mean cross-entropy of each word, given those before it.

    Args:
        decoder: What learns.
        state: Of each caption's image, from `CaptionDecoder.start`.
        words: int64 of shape (captions, length), filled up with `PAD`.
        own_share: How often the decoder reads the word that it would have written itself instead
            of a person's: Bengio et al. 2015, "Scheduled Sampling for Sequence Prediction".
        smoothing: Of the labels, 0 to 1.
    """
    # The longest first, so that those that have ended need no further steps.
    lengths, order = (words != PAD).sum(1).sort(descending=True)
    words, state = words[order], state.select(order)
    word = torch.full_like(words[:, 0], BEGIN)
    told, wanted = [], []
    for i in range(int(lengths[0])):
        going_on = int((lengths > i).sum())
        logits, state, _ = decoder.step(word[:going_on], state.select(slice(going_on)))
        told.append(logits)
        word = words[:going_on, i]
        wanted.append(word)
        if sampling_probability:
            own = torch.rand_like(logits[:, 0]) < sampling_probability
            word = torch.where(own, logits.argmax(1), word)
    return F.cross_entropy(torch.cat(told), torch.cat(wanted), label_smoothing=smoothing)


def self_critical_loss(totals: Tensor, rewards: Tensor) -> Tensor:
    """Makes captions likelier that score better than others of the same image.

    Rennie et al. 2017, "Self-critical Sequence Training for Image Captioning", with the mean of an
    image's other captions to compare with, as in Luo 2020, "A Better Variant of Self-Critical
    Sequence Training".

    Args:
        totals: Log-probabilities of captions written at random, (images, captions), two captions
            at least.
        rewards: Their scores, of the same shape.
    """
    others = (rewards.sum(1, keepdim=True) - rewards) / (rewards.shape[1] - 1)
    return -((rewards - others) * totals).mean()
