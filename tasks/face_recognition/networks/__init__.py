"""Embedding networks and the losses that they are trained with."""

from visus.tasks.face_recognition.networks.create import Architecture, create_embedder
from visus.tasks.face_recognition.networks.losses import LossName, create_identity_loss

__all__ = ["Architecture", "LossName", "create_embedder", "create_identity_loss"]
