"""The signals that stop a training after the current batch."""

import os
import signal
import sys
import threading
from types import FrameType

import pytorch_lightning as pl
import torch

_STOPPING = [signal.SIGTERM, signal.SIGINT]
if sys.platform != "win32":
    _STOPPING.append(signal.SIGHUP)


class Interrupted(Exception):
    """A training stopped at a signal; `last.ckpt` holds its state.

    Args:
        signal_number: The signal.
    """

    def __init__(self, signal_number: int) -> None:
        self.signal_number = signal_number
        super().__init__(signal.Signals(signal_number).name)


class StopSignals:
    """Notes SIGTERM, Ctrl+C (SIGINT) and a closed terminal (SIGHUP); a second one ends the process.

    Attributes:
        received: The number of the signal that was received, or 0.
    """

    def __init__(self) -> None:
        self.received = 0

    def handle(self) -> None:
        """Replace Lightning's handlers, after which a stopped step is lost; it restores others."""
        if threading.current_thread() is threading.main_thread():
            for number in _STOPPING:
                # `nohup` ignores SIGHUP, which says that the terminal was closed.
                if signal.getsignal(number) != signal.SIG_IGN:
                    signal.signal(number, self._receive)

    def _receive(self, number: int, frame: FrameType | None) -> None:
        if self.received:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        self.received = number

    def agree(self, trainer: pl.Trainer) -> bool:
        """Whether any process has received a signal; all must stop after the same batch."""
        if trainer.world_size > 1:
            received = torch.tensor(self.received, device=trainer.strategy.root_device)
            self.received = int(trainer.strategy.reduce(received, reduce_op="max"))
        return bool(self.received)
