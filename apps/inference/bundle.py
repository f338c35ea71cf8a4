"""Read an exported face model: a folder of networks that runs without torch."""

import json
from pathlib import Path

from visus.tasks.face3d.pipeline import Face3DModel
from visus.tasks.face_recognition.pipeline import FaceModel
from visus.apps.inference.networks_tmp import damaged, load_network
from visus.apps.inference.runtimes_tmp import ExportedModel
from visus.vision.errors import VisusError
from visus.vision.faces.detection import FaceStages

FORMAT = 2
STAGES = ("propose", "refine", "output")
"""The face finder's networks, `<name>.onnx` in the folder."""

NETWORK = "faces.onnx"
"""What looks at each face that was found."""


def load_bundle(path: Path, runtime: str) -> FaceModel | Face3DModel:
    """Load what `apps.faces.export.export_bundle` wrote.

    Args:
        path: The folder's `bundle.json`.
        runtime: `openvino` or `onnxruntime`.

    Raises:
        VisusError: If something is missing, damaged, or of another version.
    """
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
        version, fingerprint = facts["format"], facts["fingerprint"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise damaged(path, error) from None
    if version != FORMAT:
        raise VisusError(
            f"{path}: is of version {version}, this visus knows {FORMAT}; export it again"
        )
    folder = path.parent
    stages = FaceStages(*(load_network(folder / f"{name}.onnx", runtime) for name in STAGES))
    network = ExportedModel(folder / NETWORK, runtime)
    network.name = str(folder)
    if network.metadata.task == "face3d":
        return Face3DModel(network, stages)
    return FaceModel(network, stages, str(fingerprint))
