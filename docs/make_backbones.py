"""Write models/backbones.yaml, the table that `visus backbones` prints.

Run it as python docs/make_backbones.py with a new timm; it builds every network without its
weights, which takes some minutes.
"""

from visus.models.backbone_table import write_table
from visus.models.backbones import list_backbones
from visus.models.backbones.measure import measure_backbone
from visus.vision.progress import track

rows = [measure_backbone(name) for name in track(list_backbones(), "Building")]
write_table(row for row in rows if row is not None)
