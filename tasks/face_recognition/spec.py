"""The specification of the face recognition task."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from visus.tasks.concealing import blur_option, conceal
from visus.tasks.export_spec import ExportSpec, PartExport, PipelineExport
from visus.tasks.face_recognition.data_info import FaceRecognitionInfo
from visus.tasks.face_recognition.weights import WEIGHTS
from visus.tasks.options import Session, TaskOption
from visus.tasks.spec import TaskSpec
from visus.vision.errors import VisusError
from visus.vision.faces import FACE

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from visus.models.attacks import AttackGoal
    from visus.models.weights_entry import WeightsEntry
    from visus.tasks.assessment import Assessment
    from visus.tasks.base import VisionTask
    from visus.tasks.commands import TaskCommand
    from visus.tasks.export_spec import PipelineParts
    from visus.tasks.face_recognition.task import FaceRecognitionTask
    from visus.tasks.options import OptionValues
    from visus.tasks.spec import Arrays, Report
    from visus.vision.frames import SourceProperties
    from visus.vision.images import Pixels
    from visus.vision.model import Model, Postprocess
    from visus.vision.occlusion import Target

_MIN_FACE = 16
"""Least value of `--min-face` in pixels: smaller faces have too few pixels for an embedding."""

_SAME_COSINE = 0.999
"""Cosine of two embeddings of one face from which they have the same nearest neighbours."""

_PRETRAINED_SIZE = (150, 150)
_PRETRAINED_THRESHOLD, _PRETRAINED_FAR = 0.929, 1e-3
"""Measured on all pairs of different people among the images of LFW's View 2, folds 1 to 5."""

_BLUR = blur_option((FACE,))


class FaceRecognitionSpec(TaskSpec):
    """Face recognition: detected faces with embeddings, and names from a gallery."""

    name = "face_recognition"
    title = "face recognition"
    data_info = FaceRecognitionInfo
    options = (
        TaskOption(
            "--gallery",
            "name faces by the people of this gallery",
            metavar="FILE",
            is_input=True,
        ),
        TaskOption(
            "--min-similarity",
            "similarity from which a face has a name, -1 to 1; by default that of the gallery",
            kind=float,
            metavar="VALUE",
        ),
        TaskOption(
            "--min-face", "side of the smallest face that is embedded", kind=int, metavar="PIXELS"
        ),
        TaskOption(
            "--embeddings", "include embeddings in --jsonl", kind=None, commands=("predict",)
        ),
        _BLUR,
    )
    export = ExportSpec(
        output_names=("embeddings",),
        int8_operations=frozenset({"Add", "Clip", "Conv", "Gemm", "MatMul", "MaxPool", "Relu"}),
        half_weights=False,
    )
    is_pipeline = True

    def lightning_class(self) -> type[FaceRecognitionTask]:
        """See `TaskSpec.lightning_class`."""
        from visus.tasks.face_recognition.task import FaceRecognitionTask

        return FaceRecognitionTask

    def postprocess(self) -> Postprocess:
        """See `TaskSpec.postprocess`."""
        from visus.tasks.face_recognition.prediction import postprocess

        return postprocess

    def draw(self) -> Callable[[Pixels, Any, bool], Pixels]:
        """See `TaskSpec.draw`."""
        from visus.tasks.face_recognition.draw import draw_faces

        return draw_faces

    def report(self) -> Report:
        """See `TaskSpec.report`."""
        from visus.tasks.face_recognition.report import report_face_recognition

        return report_face_recognition

    def targets(self, prediction: Any) -> list[Target]:
        """See `TaskSpec.targets`."""
        from visus.tasks.face_recognition.targets import face_targets

        return face_targets(prediction)

    def assess(
        self, task: VisionTask, batches: Iterable[dict[str, Any]], data: Any, split: str
    ) -> Assessment:
        """See `TaskSpec.assess`."""
        from visus.tasks.face_recognition.assessment import assess_pairs
        from visus.tasks.torch_network import run_images

        pairs = data.pairs(split)
        found = assess_pairs(task.measure(batches), pairs, lambda faces: run_images(task, faces)[0])
        if task.options()["far"] is None:
            # Ready weights have no threshold before they are measured.
            task.after_validation(found.result)
        return found

    def attacks(self, task: VisionTask, batch: dict[str, Any]) -> list[AttackGoal]:
        """See `TaskSpec.attacks`."""
        from visus.tasks.face_recognition.attack import face_attacks

        return face_attacks(task, batch)

    def configure(self, model: Model, values: OptionValues, source: SourceProperties) -> Session:
        """Set the smallest face, include embeddings and open the gallery, where requested.

        Raises:
            VisusError: If the smallest face is too small, or the gallery cannot be used.
        """
        from visus.tasks.face_recognition.pipeline import as_face_pipeline

        pipeline = as_face_pipeline(model)
        min_face, gallery = values.get("min_face"), values.get("gallery")
        if min_face is not None:
            if min_face < _MIN_FACE:
                raise VisusError(f"--min-face {min_face} must be at least {_MIN_FACE} pixels")
            pipeline.set_option("min_face", min_face)
        if (similarity := values.get("min_similarity")) is not None:
            if not -1 <= similarity <= 1:
                raise VisusError(f"--min-similarity {similarity:g} must lie between -1 and 1")
            pipeline.threshold = similarity
        if values.get("embeddings"):
            pipeline.set_option("include_embeddings", True)
        if gallery is not None:
            from visus.tasks.face_recognition.open_gallery import open_gallery

            pipeline.gallery = open_gallery(gallery, pipeline)
            pipeline.gallery.load(pipeline.embedding_size)
        session = Session(pipeline, private=bool(values.get("embeddings")))
        return conceal(session, _BLUR, values.get("blur"), source)

    def item_labels(self, model: Model) -> Collection[str]:
        """See `TaskSpec.item_labels`; the people of the gallery, and `unknown`."""
        from visus.tasks.face_recognition.pipeline import as_face_pipeline

        gallery = as_face_pipeline(model).gallery
        return () if gallery is None else [*(each.name for each in gallery.people()), "unknown"]

    def commands(self) -> tuple[TaskCommand, ...]:
        """See `TaskSpec.commands`."""
        from visus.tasks.face_recognition.commands import FACES

        return (FACES,)

    def compare_outputs(self, exported: Arrays, expected: Arrays) -> tuple[float, float]:
        """The largest difference, and the fraction of faces with the same nearest neighbour."""
        import numpy as np

        cosines = (exported[0] * expected[0]).sum(1)
        difference = float(np.abs(exported[0] - expected[0]).max())
        return difference, float((cosines >= _SAME_COSINE).mean())

    def pipeline(self, model: Model, parts: PipelineParts | None) -> Model:
        """Put the face detector in front of the embedding network.

        Raises:
            VisusError: If the weights of the face detector are not installed.
        """
        from visus.tasks.face_recognition.pipeline import FacePipeline
        from visus.vision.faces.detection import FaceStages

        if parts is not None:
            stages = FaceStages(**parts.networks)
            return FacePipeline(model, stages, str(parts.values["fingerprint"]))
        from visus.models.faces.mtcnn import create_face_finder
        from visus.tasks.face_recognition.task import FaceRecognitionTask
        from visus.tasks.torch_network import torch_task

        task = torch_task(model, "the face detector")
        assert isinstance(task, FaceRecognitionTask)
        stages = create_face_finder().to(task.device).stages()
        return FacePipeline(model, stages, task.fingerprint())

    def export_parts(self, task: VisionTask) -> PipelineExport:
        """The networks of the face detector, and the fingerprint of the embeddings."""
        from visus.models.faces.mtcnn import create_face_finder
        from visus.tasks.face_recognition.task import FaceRecognitionTask

        assert isinstance(task, FaceRecognitionTask)
        finder = create_face_finder()
        return PipelineExport(
            networks={
                "propose": PartExport(finder.propose, 48, any_size=True),
                "refine": PartExport(finder.refine, 24),
                "output": PartExport(finder.output, 48),
            },
            values={"fingerprint": task.fingerprint()},
            requirements=("numba",),
            command=(("faces",), ("--model", "{model}")),
            usage="identify IMAGE --gallery FILE",
        )

    def weights(self) -> tuple[WeightsEntry, ...]:
        """See `TaskSpec.weights`."""
        return WEIGHTS

    def build_pretrained(self, entry: WeightsEntry) -> FaceRecognitionTask:
        """See `TaskSpec.build_pretrained`."""
        from visus.tasks.face_recognition.task import FaceRecognitionTask

        task = FaceRecognitionTask(
            data_info=FaceRecognitionInfo(image_size=_PRETRAINED_SIZE),
            architecture=entry.network,  # type: ignore[arg-type]
            pretrained=True,
        )
        task.threshold.fill_(_PRETRAINED_THRESHOLD)
        task.far.fill_(_PRETRAINED_FAR)
        return task.eval()

    def migrate_arguments(self, arguments: dict[str, Any], format: int) -> dict[str, Any]:
        """See `TaskSpec.migrate_arguments`; threshold and its rate are buffers of the task."""
        if format < 2:
            arguments = {k: v for k, v in arguments.items() if k not in ("threshold", "far")}
        return super().migrate_arguments(arguments, format)
