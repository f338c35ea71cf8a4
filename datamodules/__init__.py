"""One LightningDataModule a kind of data set; names are handed on lazily, without torch."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from datamodules.captioning import PictureCaptioningData
    from datamodules.captioning_scenes import ScenesCaptioningData
    from datamodules.classification import PictureClassData
    from datamodules.classification_arrays import (
        CIFAR10Data,
        DigitsData,
        FashionMNISTData,
        ScenesClassData,
    )
    from datamodules.detection import PictureDetectionData
    from datamodules.detection_scenes import ScenesDetectionData
    from datamodules.face3d import FaceRendersData
    from datamodules.face_recognition import PeopleData
    from datamodules.segmentation import PictureSegmentationData
    from datamodules.segmentation_downloads import OxfordPetData, VOCSegmentationData
    from datamodules.segmentation_scenes import ScenesSegmentationData

_HOMES = {
    "CIFAR10Data": "datamodules.classification_arrays",
    "DigitsData": "datamodules.classification_arrays",
    "FaceRendersData": "datamodules.face3d",
    "FashionMNISTData": "datamodules.classification_arrays",
    "OxfordPetData": "datamodules.segmentation_downloads",
    "PeopleData": "datamodules.face_recognition",
    "PictureCaptioningData": "datamodules.captioning",
    "PictureClassData": "datamodules.classification",
    "PictureDetectionData": "datamodules.detection",
    "PictureSegmentationData": "datamodules.segmentation",
    "ScenesCaptioningData": "datamodules.captioning_scenes",
    "ScenesClassData": "datamodules.classification_arrays",
    "ScenesDetectionData": "datamodules.detection_scenes",
    "ScenesSegmentationData": "datamodules.segmentation_scenes",
    "VOCSegmentationData": "datamodules.segmentation_downloads",
}

__all__ = [
    "CIFAR10Data",
    "DigitsData",
    "FaceRendersData",
    "FashionMNISTData",
    "OxfordPetData",
    "PeopleData",
    "PictureCaptioningData",
    "PictureClassData",
    "PictureDetectionData",
    "PictureSegmentationData",
    "ScenesCaptioningData",
    "ScenesClassData",
    "ScenesDetectionData",
    "ScenesSegmentationData",
    "VOCSegmentationData",
]


def __getattr__(name: str) -> Any:
    """Import a name's home on first use (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module 'datamodules' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)
