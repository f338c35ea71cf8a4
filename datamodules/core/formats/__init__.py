"""COCO JSON, Pascal VOC XML and YOLO text: one module per format."""
