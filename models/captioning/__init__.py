"""Captioners: a CNN that looks, an RNN that tells."""

from models.captioning.create import Captioner, create_captioner
from models.captioning.decoder import CELLS, CaptionDecoder, CellName, State
from models.captioning.search import write_at_random, write_best, write_greedily
from models.captioning.teaching import caption_loss, self_critical_loss

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
