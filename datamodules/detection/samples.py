"""A tiny data set of procedural scenes in each format of labels."""

from pathlib import Path

from visus.datamodules.core.detection_files import FORMATS
from visus.datamodules.core.labels import LabelledImage, LabelledObject
from visus.vision.masks import encode_mask
from visus.vision.output_files import write_image
from visus.vision.scenes import SHAPES, make_scene


def write_boxes(folder: Path, format: str) -> None:
    """Write four images each for `train` and `val`; COCO labels hold masks too.

    Args:
        folder: Where to write.
        format: `coco`, `voc` or `yolo`.
    """
    size = (96, 128)
    scenes = [make_scene(seed, size, (3, 6), 16) for seed in range(8)]
    records = []
    for i, scene in enumerate(scenes):
        objects = [
            LabelledObject(
                item.shape,
                item.box,
                "",
                runs=tuple(encode_mask(item.mask)["counts"]) if format == "coco" else (),
            )
            for item in scene.objects
        ]
        split = "train" if i < 4 else "val"
        records.append(LabelledImage(Path(f"{i}.png"), tuple(objects), split, "", size=size))
    names = [record.path for record in records]
    targets = FORMATS[format].write(records, names, SHAPES, folder)
    for target, scene in zip(targets, scenes, strict=True):
        write_image(target, scene.image)
