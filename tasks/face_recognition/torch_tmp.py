"""Face models in PyTorch: a task behind MTCNN, on a GPU where there is one."""

from visus.apps.inference.loading import TorchModel
from visus.models.faces.mtcnn import create_face_finder
from visus.tasks.face3d.pipeline import Face3DModel
from visus.tasks.face_recognition.pipeline import FaceModel
from visus.tasks.face_recognition.task import FaceRecognitionTask


def face_model(embedder: TorchModel) -> FaceModel:
    """Put the face finder before an embedding task.

    Raises:
        visus.vision.errors.VisusError: If the finder's weights are not installed.
    """
    assert isinstance(embedder.task, FaceRecognitionTask)
    finder = create_face_finder().to(embedder.task.device)
    return FaceModel(embedder, finder.stages(), embedder.task.fingerprint())


def face3d_model(regressor: TorchModel) -> Face3DModel:
    """Put the face finder before a task for faces in space.

    Raises:
        visus.vision.errors.VisusError: If the finder's weights are not installed.
    """
    finder = create_face_finder().to(regressor.task.device)
    return Face3DModel(regressor, finder.stages())
