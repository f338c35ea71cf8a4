"""Weights of segmenters published by torchvision, with their sources and terms."""

from visus.models.weights_entry import WeightsEntry
from visus.models.weights_manifest import IMAGES_USE, PYTORCH_DOWNLOADS

_VOC_TERMS = "COCO 2017 in Pascal VOC's 20 classes (annotations CC BY 4.0; Flickr's terms)"

WEIGHTS: tuple[WeightsEntry, ...] = (
    WeightsEntry(
        name="voc-deeplabv3-mobilenet",
        aliases=("voc",),
        description="DeepLabV3 on MobileNetV3 (11.0 M parameters), 20 object classes per pixel",
        task="segmentation",
        network="deeplabv3_mobilenet_v3_large",
        file="deeplabv3_mobilenet_v3_large-fc3c493d.pth",
        sha256="fc3c493d",
        url=f"{PYTORCH_DOWNLOADS}/deeplabv3_mobilenet_v3_large-fc3c493d.pth",
        code_licence="BSD-3-Clause",
        data_terms=_VOC_TERMS,
        commercial_use=IMAGES_USE,
        metric="mean IoU 0.603 on COCO val2017 in VOC's classes, images of 520 (torchvision)",
        megabytes=42.3,
        input_size="512 x 512, the image inside",
    ),
    WeightsEntry(
        name="voc-fcn-resnet50",
        aliases=(),
        description="FCN on ResNet-50 (33.0 M parameters), 20 object classes per pixel",
        task="segmentation",
        network="fcn_resnet50",
        file="fcn_resnet50_coco-1167a1af.pth",
        sha256="1167a1af",
        url=f"{PYTORCH_DOWNLOADS}/fcn_resnet50_coco-1167a1af.pth",
        code_licence="BSD-3-Clause",
        data_terms=_VOC_TERMS,
        commercial_use=IMAGES_USE,
        metric="mean IoU 0.605 on COCO val2017 in VOC's classes, images of 520 (torchvision)",
        megabytes=135.0,
        input_size="512 x 512, the image inside",
    ),
)
