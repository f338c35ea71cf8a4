"""Ready-made weights of face recognition: dlib's face network, its source and its terms."""

from visus.models.weights_entry import WeightsEntry
from visus.models.weights_manifest import FACES_USE, PARTS

WEIGHTS: tuple[WeightsEntry, ...] = (
    WeightsEntry(
        name="dlib-face-recognition",
        aliases=("faces",),
        description="dlib's face ResNet (5.6 M parameters), behind the face detector MTCNN",
        task="face_recognition",
        network="dlib_resnet",
        package="face-recognition-models",
        file="models/dlib_face_recognition_resnet_model_v1.dat",
        sha256="55533b28a95800a551ba546ba62fe69625c7e95a7061c338adffead08719da30",
        code_licence="CC0-1.0",
        data_terms="FaceScrub, VGG Face and faces from the web (each with terms of its own)",
        commercial_use=FACES_USE,
        needs=PARTS,
        metric="verification accuracy 0.992 on folds 1 to 5 of LFW (docs/results.md)",
        megabytes=22.5,
        input_size="aligned faces of 150 x 150",
    ),
)
