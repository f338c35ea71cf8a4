"""The 3D face network that comes with visus: its recipe and terms."""

from visus.models.face3d.ict_facekit import ICT_FACEKIT
from visus.models.weights_entry import WeightsEntry
from visus.models.weights_manifest import PARTS

WEIGHTS: tuple[WeightsEntry, ...] = (
    WeightsEntry(
        name="face3d-ict",
        aliases=("face3d",),
        description="EfficientNet-Lite0 (4.2 M parameters) reconstructs faces, after MTCNN",
        task="face3d",
        network="tf_efficientnet_lite0",
        file="face3d-ict.ckpt",
        sha256="38d73eb6614715d7ef17f6116e887f5cac997279fdee01772e334037358ad93e",
        code_licence="Apache-2.0",
        data_terms="faces rendered from ICT-FaceKit (MIT); initial weights from ImageNet",
        commercial_use="the licences allow it; ask your counsel about ImageNet's terms",
        recipe="visus fit --config face3d/synthetic --trainer.devices 2 --trainer.strategy ddp "
        "--data.batch_size 16 --data.num_workers 0; visus export latest --output face3d-ict.ckpt",
        needs=(ICT_FACEKIT, *PARTS),
        metric="vertex error 3.61 mm on 7,500 renders, mean face 5.63 (docs/results.md)",
        megabytes=8.6,
        input_size="faces of 96 x 96",
    ),
)
