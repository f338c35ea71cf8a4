"""torchvision's detectors with their weights trained on COCO."""

from torchvision.models import detection as torchvision_detection
from torchvision.models import get_model_weights
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor

from visus.models.weights import load_ready_made
from visus.tasks.detection.networks.outputs import MAX_DETECTIONS, SCORE_THRESHOLD
from visus.tasks.detection.networks.region_pooling import RegionPooling
from visus.tasks.detection.networks.two_stage import TwoStageDetector
from visus.tasks.detection.weights import WEIGHTS
from visus.vision.errors import VisusError

READY_MADE = {entry.network: entry for entry in WEIGHTS}
"""The manifest's weights by torchvision's name of the network."""


def create_ready_made(
    name: str, num_classes: int, in_channels: int, pretrained: bool | str, proposals: int
) -> TwoStageDetector:
    """Build one of torchvision's detectors.

    Args:
        name: A key of `READY_MADE`.
        num_classes: Number of classes without background; if it is not COCO's, the last layer has
            random weights.
        in_channels: Must be 3.
        pretrained: `True` for the manifest's COCO weights, or the path of such a file.
        proposals: Region proposals per image in the second stage at inference.

    Raises:
        VisusError: If the weights are not available, or images are not RGB.
    """
    if in_channels != 3:
        raise VisusError(f"{name} takes RGB images only, not {in_channels} channels")
    build = getattr(torchvision_detection, name)
    detector = build(
        weights=None,
        weights_backbone=None,
        num_classes=len(coco_class_names()) + 1 if pretrained else num_classes + 1,
        rpn_pre_nms_top_n_test=max(proposals, 500),
        rpn_post_nms_top_n_test=proposals,
        box_roi_pool=RegionPooling(["0", "1", "2", "3"], 7, 2),
        box_score_thresh=SCORE_THRESHOLD,
        box_detections_per_img=MAX_DETECTIONS,
    )
    if pretrained:
        load_ready_made(detector, READY_MADE[name], pretrained)
        if num_classes != len(coco_class_names()):
            features = detector.roi_heads.box_predictor.cls_score.in_features
            detector.roi_heads.box_predictor = FastRCNNPredictor(features, num_classes + 1)
    return TwoStageDetector(detector, detector.backbone.body)


def coco_class_names() -> list[str]:
    """COCO's class names by category id from 1; its ten unused ids are named `N/A`."""
    weights = get_model_weights("fasterrcnn_resnet50_fpn_v2").COCO_V1
    names: list[str] = weights.meta["categories"]
    return names[1:]
