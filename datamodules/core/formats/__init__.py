"""COCO JSON, Pascal VOC XML and YOLO text: one module a format, each with `read` and `write`."""
