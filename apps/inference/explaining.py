"""Explain the predictions of a model in any runtime by maps over the image."""

from collections.abc import Sequence

from visus.tasks.registry import task_spec
from visus.tasks.spec import Explanation, TaskSpec
from visus.vision.drawing.heat import draw_heat
from visus.vision.errors import VisusError
from visus.vision.images import Pixels, visible
from visus.vision.model import Model
from visus.vision.occlusion import Scores, occlusion_maps, target_scores


class Explainer:
    """Explains predictions: by gradients or attention in PyTorch, and by occlusion in any runtime.

    Args:
        model: The model.

    Raises:
        VisusError: If predictions of this model cannot be explained.
    """

    def __init__(self, model: Model) -> None:
        self.model = model
        self.spec = task_spec(model.metadata.task)
        self._task = None
        self._gradients = None
        if model.runtime == "torch":
            from visus.tasks.torch_network import torch_task

            self._task = torch_task(model, "--explain")
            self._gradients = self.spec.explain()
        by_occlusion = type(self.spec).targets is not TaskSpec.targets
        if self._gradients is None and not by_occlusion:
            known = self.spec.explain() is not None
            needs = " of an exported file; name its checkpoint" if known else ""
            raise VisusError(f"--explain: {self.spec.title} has no explanations{needs}")

    def __call__(self, image: Pixels) -> list[Explanation]:
        """The maps that explain the prediction of an image.

        Args:
            image: uint8 of shape (height, width, channels).
        """
        maps = []
        if self._gradients is not None and self._task is not None:
            maps += self._gradients(self._task, image)
        targets = self.spec.targets(self.model.predict(image))
        if not targets:
            return maps
        scores = target_scores(self.model, targets)
        names = [target.name for target in targets]
        return maps + explain_by_occlusion(image, names, scores, self.model.batch_size)


def explain_by_occlusion(
    image: Pixels, names: Sequence[str], scores: Scores, batch_size: int
) -> list[Explanation]:
    """Occlusion maps drawn over the image.

    Args:
        image: uint8 of shape (height, width, channels).
        names: Of the targets.
        scores: See `visus.vision.occlusion.occlusion_maps`.
        batch_size: Copies of the image in one call of `scores`.
    """
    heats = occlusion_maps(image, scores, batch_size)
    return [
        Explanation(draw_heat(visible(image), heat), f"occlusion: {name}", heat)
        for name, heat in zip(names, heats, strict=True)
    ]
