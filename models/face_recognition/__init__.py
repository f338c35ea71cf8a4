"""Face recognition: networks that find faces, and networks that tell whose they are."""

from models.face_recognition.create import ARCHITECTURES, Architecture, create_embedder
from models.face_recognition.losses import LOSSES, IdentityLoss, create_identity_loss
from models.face_recognition.mtcnn import FaceFinder, create_face_finder

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
