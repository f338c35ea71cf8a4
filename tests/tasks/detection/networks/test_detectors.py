import pytest
import torch

from visus.tasks.detection.networks import create_detector
from visus.tasks.detection.networks.assignment import assign
from visus.tasks.detection.networks.outputs import pad_detections
from visus.vision.errors import VisusError

ARCHITECTURES = ("faster_rcnn", "one_stage")


def build(architecture, **arguments):
    return create_detector(
        architecture,
        3,
        image_size=(64, 96),
        **{"backbone": "test_resnet", "channels": 16, "proposals": 30, **arguments},
    )[0]


def target(boxes, labels, masks=False):
    boxes = torch.tensor(boxes, dtype=torch.float).reshape(-1, 4)
    entry = {"boxes": boxes, "labels": torch.tensor(labels, dtype=torch.long)}
    if masks:
        entry["masks"] = torch.zeros(len(boxes), 64, 96, dtype=torch.uint8)
    return entry


@pytest.mark.parametrize(
    ("architecture", "masks"), [("faster_rcnn", False), ("faster_rcnn", True), ("one_stage", False)]
)
def test_losses_and_gradients_are_finite_with_and_without_objects(architecture, masks):
    torch.manual_seed(0)
    network = build(architecture, masks=masks).train()
    images = torch.randn(2, 3, 64, 96)
    some = [target([[10, 10, 40, 50]], [2], masks), target([], [], masks)]
    none = [target([], [], masks), target([], [], masks)]
    for targets in (some, none):
        network.zero_grad()
        losses = network.losses(images, targets)
        sum(losses.values()).backward()
        assert all(torch.isfinite(value) for value in losses.values())
        gradients = [p.grad for p in network.parameters() if p.grad is not None]
        assert gradients and all(torch.isfinite(g).all() for g in gradients)


def test_a_one_stage_detector_uses_the_given_strides():
    network = build("one_stage", strides=[4, 8, 16]).eval()
    assert network.pyramid.body.strides[-1] == 16
    boxes, scores, labels = network(torch.randn(1, 3, 64, 96))
    assert boxes.shape[:2] == scores.shape == labels.shape
    losses = network.train().losses(torch.randn(1, 3, 64, 96), [target([[10, 10, 16, 18]], [2])])
    assert all(torch.isfinite(value) for value in losses.values())


def test_the_first_boxes_of_a_one_stage_detector_are_a_few_strides_wide():
    torch.manual_seed(0)
    network = build("one_stage").eval()
    with torch.inference_mode():
        boxes = network(torch.randn(1, 3, 256, 256))[0][0]
    widths = boxes[:, 2] - boxes[:, 0]
    # 4.7 strides of 8 or 16; with a uniform distribution of distances they are 120 px or wider.
    assert 20 < widths[widths > 0].median() < 100


@pytest.mark.parametrize(
    ("architecture", "strides"),
    [("one_stage", [16, 8]), ("one_stage", [8, 8]), ("faster_rcnn", [8, 16])],
)
def test_invalid_strides_are_refused(architecture, strides):
    with pytest.raises(VisusError, match=r"model.strides \[.*\] must increase, and need"):
        build(architecture, strides=strides)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_outputs_are_sorted_padded_and_inside_the_image(architecture):
    network = build(architecture).eval()
    with torch.inference_mode():
        boxes, scores, labels = network(torch.randn(3, 3, 64, 96))
    assert boxes.shape[:2] == scores.shape == labels.shape and boxes.shape[2] == 4
    assert (scores.diff(dim=1) <= 0).all()
    assert (boxes >= 0).all() and (boxes[..., 2] <= 96).all() and (boxes[..., 3] <= 64).all()
    assert labels.min() >= 0 and labels.max() <= 2


@pytest.mark.parametrize("architecture", [*ARCHITECTURES, "fast_rcnn"])
def test_mixed_precision_does_not_round_boxes(architecture):
    torch.manual_seed(0)
    network = build(architecture).eval()
    images = torch.randn(1, 3, 64, 96)
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        boxes = network(images)[0]
    assert boxes.dtype == torch.float32
    # Few float32 values are representable in bfloat16.
    inside = boxes[(boxes > 0) & (boxes < 64)]
    assert (inside != inside.bfloat16().float()).float().mean() > 0.5
    with torch.autocast("cpu", torch.bfloat16):
        losses = network.train().losses(images, [target([[10.3, 10, 16.7, 18]], [2])])
    assert all(torch.isfinite(value) for value in losses.values())


def test_masks_come_with_the_boxes_of_mask_rcnn():
    network = build("faster_rcnn", masks=True).eval()
    with torch.inference_mode():
        boxes, _, _, masks = network(torch.randn(1, 3, 64, 96))
    assert masks.shape == (1, boxes.shape[1], 28, 28)
    assert (masks >= 0).all() and (masks <= 1).all()


def test_anchors_of_given_shapes_are_used():
    shapes = [[[10.0, 30.0]]] * 5
    network = build("faster_rcnn", anchors=shapes)
    generator = network.detector.rpn.anchor_generator
    assert generator.num_anchors_per_location() == [1] * 5
    assert generator.cell_anchors[2].tolist() == [[-5.0, -15.0, 5.0, 15.0]]


def test_contradicting_arguments_are_refused():
    with pytest.raises(VisusError, match=r"masks need model.architecture faster_rcnn"):
        build("one_stage", masks=True)
    with pytest.raises(VisusError, match="'yolo' is unknown; choose from faster_rcnn"):
        build("yolo")
    with pytest.raises(VisusError, match="'lenet5' has no feature map"):
        build("one_stage", backbone="lenet5")
    with pytest.raises(VisusError, match="RGB images only"):
        build("fasterrcnn_mobilenet_v3_large_fpn", in_channels=1)


def test_padding_has_score_zero():
    detections = [
        {"boxes": torch.ones(2, 4), "scores": torch.ones(2), "labels": torch.ones(2).long()},
        {"boxes": torch.ones(0, 4), "scores": torch.ones(0), "labels": torch.ones(0).long()},
    ]
    boxes, scores, labels = pad_detections(detections)
    assert boxes.shape == (2, 2, 4) and scores.tolist() == [[1, 1], [0, 0]]
    assert labels.dtype == torch.int64


def positions(stride=8, rows=4, columns=4):
    y, x = torch.meshgrid(torch.arange(rows) + 0.5, torch.arange(columns) + 0.5, indexing="ij")
    centres = torch.stack([x, y], -1).flatten(0, 1) * stride
    return centres, torch.full((rows * columns,), float(stride))


def test_each_position_is_assigned_to_the_object_it_predicts_best():
    centres, strides = positions()
    truth = torch.tensor([[0.0, 0, 16, 16], [16, 16, 32, 32]])
    boxes = torch.cat([centres - 8, centres + 8], 1)
    chosen = assign(torch.full((16, 3), 0.5), boxes, centres, strides, truth, torch.tensor([0, 2]))
    # The four positions inside the first square get class 0, those in the second class 2.
    assert chosen.scores[:, 1].sum() == 0
    assert set(chosen.scores[:, 0].nonzero()[:, 0].tolist()) == {0, 1, 4, 5}
    assert set(chosen.scores[:, 2].nonzero()[:, 0].tolist()) == {10, 11, 14, 15}
    assert chosen.boxes[0].tolist() == truth[0].tolist()
    # No target score is higher than the best IoU of the object.
    assert chosen.scores.max() <= 1


def test_an_object_inside_another_keeps_its_best_position():
    centres, strides = positions(rows=2, columns=2)
    truth = torch.tensor([[0.0, 0, 16, 16], [0, 0, 8, 8]])
    # All positions predict the large object.
    boxes = truth[:1].expand(4, 4)
    chosen = assign(torch.full((4, 2), 0.5), boxes, centres, strides, truth, torch.tensor([0, 1]))
    assert (chosen.scores[:, 0] > 0).tolist() == [False, True, True, True]
    assert (chosen.scores[:, 1] > 0).tolist() == [True, False, False, False]


def test_an_object_smaller_than_a_stride_has_a_position():
    centres, strides = positions()
    truth = torch.tensor([[15.5, 15.5, 16.5, 16.5]])
    boxes = torch.cat([centres - 8, centres + 8], 1)
    chosen = assign(torch.full((16, 1), 0.5), boxes, centres, strides, truth, torch.tensor([0]))
    assert (chosen.weights > 0).any()


def test_backbone_options_reach_the_backbone():
    network = build("one_stage", backbone="resnet9", strides=[2, 4, 8], width=4)
    assert network.pyramid.body.channels == (4, 8, 16, 32)
    for architecture in ARCHITECTURES:
        with pytest.raises(VisusError, match="'test_resnet' takes no option 'wdith'"):
            build(architecture, wdith=3)


def test_images_without_any_proposal_are_trained_on_and_padded():
    torch.manual_seed(0)
    network = build("faster_rcnn")
    rpn = network.detector.rpn
    rpn.score_thresh = 1.1
    images = torch.randn(2, 3, 64, 96)
    losses = network.train().losses(images, [target([], []), target([], [])])
    assert all(torch.isfinite(value) for value in losses.values())
    assert rpn.score_thresh == 1.1
    network.eval()
    proposed = []
    with torch.inference_mode(), network.fixed_size():
        network.detector.rpn.register_forward_hook(lambda *parts: proposed.extend(parts[-1][0]))
        boxes, scores, _ = network(images)
    assert torch.isfinite(boxes).all() and torch.isfinite(scores).all()
    whole = torch.tensor([[0.0, 0, 96, 64]]).expand(30, 4)
    assert len(proposed) == 2 and all(torch.equal(each, whole) for each in proposed)
