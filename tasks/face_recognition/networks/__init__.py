"""Face recognition: networks that find faces, and networks that tell whose they are."""

from visus.models.faces.mtcnn import FaceFinder, create_face_finder
from visus.tasks.face_recognition.networks.create import (
    ARCHITECTURES,
    Architecture,
    create_embedder,
)
from visus.tasks.face_recognition.networks.losses import LOSSES, IdentityLoss, create_identity_loss

__all__ = [
    "ARCHITECTURES",
    "LOSSES",
    "Architecture",
    "FaceFinder",
    "IdentityLoss",
    "create_embedder",
    "create_face_finder",
    "create_identity_loss",
]
