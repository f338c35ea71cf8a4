"""Captioners: a CNN that looks, an RNN that tells."""

from visus.tasks.captioning.networks.create import Captioner, create_captioner
from visus.tasks.captioning.networks.decoder import CELLS, CaptionDecoder, CellName, State
from visus.tasks.captioning.networks.losses import caption_loss, self_critical_loss
from visus.tasks.captioning.networks.search import beam_search, greedy_search, sample_captions

__all__ = [
    "CELLS",
    "CaptionDecoder",
    "Captioner",
    "CellName",
    "State",
    "caption_loss",
    "create_captioner",
    "self_critical_loss",
    "write_at_random",
    "write_best",
    "write_greedily",
]
