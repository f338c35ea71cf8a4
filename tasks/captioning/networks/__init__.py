"""Networks of captioning: a CNN encoder and a recurrent decoder."""

from visus.tasks.captioning.networks.create import Captioner, create_captioner
from visus.tasks.captioning.networks.decoder import (
    CELLS,
    CaptionDecoder,
    CellName,
    State,
    TemporalName,
)
from visus.tasks.captioning.networks.losses import caption_loss, self_critical_loss
from visus.tasks.captioning.networks.search import beam_search, greedy_search, sample_captions

__all__ = [
    "CELLS",
    "CaptionDecoder",
    "Captioner",
    "CellName",
    "State",
    "TemporalName",
    "beam_search",
    "caption_loss",
    "create_captioner",
    "greedy_search",
    "sample_captions",
    "self_critical_loss",
]
