"""Why a classifier says so: Grad-CAM and saliency, laid over the picture."""

import warnings
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from visus.apps.drawing_tmp import grid, write_image
from visus.apps.live.sinks.files_tmp import OutputNames, Sink
from visus.apps.live.sources.files_tmp import Frame
from visus.apps.inference.runtimes_tmp import Model, TorchModel
from visus.tasks.classification.task import ClassificationTask
from visus.vision.errors import VisusError
from visus.vision.resize import Fit
from visus.vision.images import Pixels


class ExplainSink(Sink):
    """Writes, for each picture, maps of what decided for its best classes.

    Args:
        model: A classifier in PyTorch: gradients are needed.
        folder: Where to write.
        classes: How many classes to explain.

    Raises:
        VisusError: If the model cannot be explained.
    """

    def __init__(self, model: Model, folder: Path, classes: int = 3) -> None:
        if not isinstance(model, TorchModel) or not isinstance(model.task, ClassificationTask):
            raise VisusError(
                "--explain needs a classifier as a checkpoint or a name: an exported file has no "
                "gradients"
            )
        self.model = model
        self.task = model.task
        self.names = OutputNames(folder)
        self.classes = classes

    def show(self, frame: Frame, drawn: Pixels) -> bool:
        """See `Sink.show`: the picture, Grad-CAM for each class, saliency for the best."""
        batch, fitted = self.model.prepare(frame.image)
        inputs = self.task.normalise(torch.from_numpy(batch).to(self.task.device))
        labels = self.task.class_names
        with torch.inference_mode():
            logits = self.task.network(inputs)[0]
        best = logits.argsort(descending=True)[: self.classes].tolist()
        pictures, captions = [frame.image], ["picture"]
        for index in best:
            pictures.append(overlay(frame.image, grad_cam(self.task, inputs, index), fitted))
            captions.append(f"Grad-CAM: {labels[index]}")
        pictures.append(overlay(frame.image, saliency(self.task, inputs, best[0]), fitted))
        captions.append(f"saliency: {labels[best[0]]}")
        ending = ".jpg" if frame.index is None else f"-{frame.index:06d}.jpg"
        write_image(
            self.names.name(frame.source, ending), grid(pictures, captions, len(pictures), 256)
        )
        return True

    def close(self) -> None:
        """Nothing is left open."""


def grad_cam(task: ClassificationTask, inputs: Tensor, index: int) -> NDArray[np.float32]:
    """Grad-CAM (Selvaraju et al. 2017) of the deepest convolution.

    Args:
        task: The classifier.
        inputs: One normalised picture, float of shape (1, channels, height, width).
        index: The class.

    Returns:
        Shape (height, width) of the input, 0 to 1.

    Raises:
        VisusError: If the network has no convolution with a map larger than a point.
    """
    from pytorch_grad_cam import GradCAM
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with GradCAM(task.network, [deepest_map(task.network, inputs)]) as cam:
            maps = cam(inputs.clone().requires_grad_(), [ClassifierOutputTarget(index)])
    return np.asarray(maps[0], np.float32)


def saliency(task: ClassificationTask, inputs: Tensor, index: int) -> NDArray[np.float32]:
    """The gradient's size at each pixel (Simonyan et al. 2014).

    Args:
        task: The classifier.
        inputs: One normalised picture, float of shape (1, channels, height, width).
        index: The class.

    Returns:
        Shape (height, width) of the input, 0 to 1.
    """
    inputs = inputs.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(task.network(inputs)[0, index], inputs)
    size = gradient[0].abs().amax(0).cpu().numpy()
    # A few pixels stand far out; the rest would be black beside them.
    return np.asarray(np.clip(size / max(float(np.percentile(size, 99)), 1e-12), 0, 1), np.float32)


def deepest_map(network: nn.Module, inputs: Tensor) -> nn.Module:
    """The last convolution whose output still has a place: more than one row and column.

    Raises:
        VisusError: If there is none.
    """
    found: list[nn.Module] = []

    def note(module: nn.Module, _: object, output: Tensor) -> None:
        if min(output.shape[2:]) > 1:
            found.append(module)

    hooks = [
        module.register_forward_hook(note)
        for module in network.modules()
        if isinstance(module, nn.Conv2d)
    ]
    with torch.no_grad():
        network(inputs)
    for hook in hooks:
        hook.remove()
    if not found:
        raise VisusError("--explain: this network has no convolution with a map to show")
    return found[-1]


def overlay(image: Pixels, heat: NDArray[np.float32], fitted: Fit) -> Pixels:
    """Lay a map of the fitted picture over the original, from blue (0) to red (1)."""
    levels = (heat * 255).astype(np.uint8)
    at_source = fitted.mask_to_source(levels).astype(np.uint8)
    # Smooth, so that the coarse map does not look sharper than it is.
    at_source = np.asarray(
        cv2.GaussianBlur(at_source, (0, 0), max(image.shape[:2]) / 150), np.uint8
    )
    colours = cv2.cvtColor(cv2.applyColorMap(at_source, cv2.COLORMAP_JET), cv2.COLOR_BGR2RGB)
    return np.asarray(
        cv2.addWeighted(image, 0.55, np.asarray(colours, np.uint8), 0.45, 0), np.uint8
    )
