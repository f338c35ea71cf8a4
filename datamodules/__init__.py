"""One LightningDataModule a kind of data set; names are handed on lazily, without torch."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from visus.datamodules.captioning.data import PictureCaptioningData
    from visus.datamodules.captioning.scenes import ScenesCaptioningData
    from visus.datamodules.classification.data import PictureClassData
    from visus.datamodules.classification.arrays import CIFAR10Data, DigitsData, FashionMNISTData, ScenesClassData
    from visus.datamodules.detection.data import PictureDetectionData
    from visus.datamodules.detection.scenes import ScenesDetectionData
    from visus.datamodules.face3d.data import FaceRendersData
    from visus.datamodules.face_recognition.data import PeopleData
    from visus.datamodules.segmentation.data import PictureSegmentationData
    from visus.datamodules.segmentation.downloads import OxfordPetData, VOCSegmentationData
    from visus.datamodules.segmentation.scenes import ScenesSegmentationData

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
