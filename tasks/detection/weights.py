"""Manifest of the detectors that torchvision published: sources and licences."""

from visus.models.weights_entry import WeightsEntry
from visus.models.weights_manifest import IMAGES_USE, PYTORCH_DOWNLOADS

_COCO_TERMS = "COCO 2017 (annotations CC BY 4.0; images under Flickr's terms, each its own)"

WEIGHTS: tuple[WeightsEntry, ...] = (
    WeightsEntry(
        name="coco-fasterrcnn-resnet50-v2",
        aliases=("coco",),
        description="Faster R-CNN on ResNet-50 (43.7 M parameters), detects COCO's 80 classes",
        task="detection",
        network="fasterrcnn_resnet50_fpn_v2",
        file="fasterrcnn_resnet50_fpn_v2_coco-dd69338a.pth",
        sha256="dd69338a",
        url=f"{PYTORCH_DOWNLOADS}/fasterrcnn_resnet50_fpn_v2_coco-dd69338a.pth",
        code_licence="BSD-3-Clause",
        data_terms=_COCO_TERMS,
        commercial_use=IMAGES_USE,
        metric="mAP 0.467 on COCO val2017, images of 800 (torchvision)",
        megabytes=167.1,
        input_size="640 x 640, the image inside",
    ),
    WeightsEntry(
        name="coco-fasterrcnn-mobilenet",
        aliases=(),
        description="Faster R-CNN on MobileNetV3 (19.4 M parameters), detects COCO's 80 classes",
        task="detection",
        network="fasterrcnn_mobilenet_v3_large_fpn",
        file="fasterrcnn_mobilenet_v3_large_fpn-fb6a3cc7.pth",
        sha256="fb6a3cc7",
        url=f"{PYTORCH_DOWNLOADS}/fasterrcnn_mobilenet_v3_large_fpn-fb6a3cc7.pth",
        code_licence="BSD-3-Clause",
        data_terms=_COCO_TERMS,
        commercial_use=IMAGES_USE,
        metric="mAP 0.328 on COCO val2017, images of 800 (torchvision)",
        megabytes=74.2,
        input_size="640 x 640, the image inside",
    ),
)
