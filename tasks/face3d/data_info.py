"""Properties of the data that the task depends on."""

from dataclasses import dataclass

from visus.tasks.data_info import InputInfo
from visus.vision.metadata import ResizeMode


@dataclass(frozen=True, kw_only=True)
class Face3DInfo(InputInfo):
    """The properties of the data that a network for 3D faces depends on.

    Attributes:
        face_model: Name or file of the face model; see `visus.models.face3d.face_models`.
        landmarks: A text file of 68 vertex indices, for a face model without landmarks.
        model_digest: Hash of the face that is reconstructed, `FaceModel.digest`.
        components: Number of identity components.
        expressions: Names of the expressions; empty for all.
    """

    class_names: tuple[str, ...] = ()
    in_channels: int = 3
    resize_mode: ResizeMode = "stretch"
    face_model: str = "ict-facekit"
    landmarks: str | None = None
    model_digest: str | None = None
    components: int = 40
    expressions: tuple[str, ...] = ()
