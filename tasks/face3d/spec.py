"""The specification of the 3D face task."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from visus.tasks.concealing import blur_option, conceal
from visus.tasks.export_spec import ExportSpec, PartExport, PipelineExport
from visus.tasks.face3d.data_info import Face3DInfo
from visus.tasks.options import Session, TaskOption
from visus.tasks.spec import TaskSpec
from visus.vision.errors import VisusError
from visus.vision.faces import FACE

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from visus.models.weights_entry import WeightsEntry
    from visus.tasks.assessment import Assessment
    from visus.tasks.base import VisionTask
    from visus.tasks.export_spec import PipelineParts
    from visus.tasks.face3d.task import Face3DTask
    from visus.tasks.options import OptionValues
    from visus.tasks.spec import Arrays, Report
    from visus.vision.frames import SourceProperties
    from visus.vision.images import Pixels
    from visus.vision.model import Model, Postprocess
    from visus.vision.occlusion import Target

_LOSS_WEIGHTS_1 = {
    "vertex_weight": "vertices",
    "landmark_weight": "landmarks",
    "point_weight": "points",
    "pose_weight": "pose",
    "number_weight": "coefficients",
    "light_weight": "light",
    "photograph_weight": "photographs",
}
"""Arguments of format 1, and the keys of `loss_weights` that replace them."""

_BLUR = blur_option((FACE,))


class Face3DSpec(TaskSpec):
    """3D faces: shape, expression and pose of each face of an image."""

    name = "face3d"
    title = "3D faces"
    data_info = Face3DInfo
    is_pipeline = True
    options = (
        TaskOption(
            "--mesh",
            "write a mesh of each face there",
            kind=Path,
            metavar="DIR",
            commands=("predict",),
            is_output=True,
        ),
        TaskOption(
            "--mesh-format",
            "format of the meshes, glb by default",
            choices=("glb", "obj", "ply"),
            commands=("predict",),
        ),
        _BLUR,
    )
    export = ExportSpec(
        output_names=("vertices", "rotations", "scales", "positions", "coefficients"),
        # Nearly all of the time; the layers that compute coordinates stay in float.
        int8_operations=frozenset({"Clip", "Conv", "MaxPool", "Relu"}),
    )

    def lightning_class(self) -> type[Face3DTask]:
        """See `TaskSpec.lightning_class`."""
        from visus.tasks.face3d.task import Face3DTask

        return Face3DTask

    def postprocess(self) -> Postprocess:
        """See `TaskSpec.postprocess`."""
        from visus.tasks.face3d.prediction import postprocess

        return postprocess

    def draw(self) -> Callable[[Pixels, Any, bool], Pixels]:
        """See `TaskSpec.draw`."""
        from visus.tasks.face3d.draw import draw_face3d

        return draw_face3d

    def report(self) -> Report:
        """See `TaskSpec.report`."""
        from visus.tasks.face3d.report import report_face3d

        return report_face3d

    def targets(self, prediction: Any) -> list[Target]:
        """See `TaskSpec.targets`."""
        from visus.tasks.face3d.targets import landmark_targets

        return landmark_targets(prediction)

    def assess(
        self, task: VisionTask, batches: Iterable[dict[str, Any]], data: Any, split: str
    ) -> Assessment:
        """See `TaskSpec.assess`."""
        from visus.tasks.face3d.assessment import Face3DAssessment

        return Face3DAssessment(
            task.measure(batches).records, cast("Face3DTask", task).landmarks_of
        )

    def item_labels(self, model: Model) -> Collection[str]:
        """See `TaskSpec.item_labels`; faces have none."""
        return ()

    def configure(self, model: Model, values: OptionValues, source: SourceProperties) -> Session:
        """See `TaskSpec.configure`."""
        if values["mesh"] is None:
            if values["mesh_format"] is not None:
                raise VisusError("--mesh-format is the format of meshes; give --mesh DIR too")
            return conceal(Session(model), _BLUR, values.get("blur"), source)
        from visus.tasks.face3d.mesh_files import MeshFiles

        session = Session(model, [MeshFiles(values["mesh"], values["mesh_format"] or "glb")])
        return conceal(session, _BLUR, values.get("blur"), source)

    def compare_outputs(self, exported: Arrays, expected: Arrays) -> tuple[float, float]:
        """The largest difference, and the fraction of vertices within 0.1 % of the face's size."""
        import numpy as np

        pairs = list(zip(exported, expected, strict=True))
        vertices, expected_vertices = pairs[0]
        tolerance = 1e-3 * float(np.ptp(expected_vertices))
        close = np.abs(vertices - expected_vertices).max(-1) <= tolerance
        return max(float(np.abs(a - b).max()) for a, b in pairs), float(close.mean())

    def pipeline(self, model: Model, parts: PipelineParts | None) -> Model:
        """See `TaskSpec.pipeline`."""
        from visus.tasks.face3d.pipeline import Face3DPipeline
        from visus.vision.faces.detection import FaceStages

        if parts is not None:
            return Face3DPipeline(model, FaceStages(**parts.networks))
        from visus.models.faces.mtcnn import create_face_finder
        from visus.tasks.torch_network import torch_task

        device = torch_task(model, self.name).device
        return Face3DPipeline(model, create_face_finder().to(device).stages())

    def export_parts(self, task: VisionTask) -> PipelineExport:
        """See `TaskSpec.export_parts`."""
        from visus.models.faces.mtcnn import create_face_finder

        stages = create_face_finder().export_examples()
        return PipelineExport(
            {name: PartExport(*example) for name, example in stages.items()},
            {"fingerprint": None},
            # For rasterising, and for mesh files.
            ("numba", "trimesh"),
            (("predict", "{model}"), ()),
            "IMAGE --mesh FOLDER",
        )

    def weights(self) -> tuple[WeightsEntry, ...]:
        """See `TaskSpec.weights`."""
        from visus.models.face3d.ict_facekit import ICT_FACEKIT
        from visus.tasks.face3d.weights import WEIGHTS

        return (*WEIGHTS, ICT_FACEKIT)

    def migrate_arguments(self, arguments: dict[str, Any], format: int) -> dict[str, Any]:
        """See `TaskSpec.migrate_arguments`."""
        arguments = super().migrate_arguments(arguments, format)
        if format < 2:
            arguments["hidden_size"] = arguments.pop("hidden")
            arguments["loss_weights"] = {
                key: arguments.pop(old) for old, key in _LOSS_WEIGHTS_1.items()
            }
        return arguments
