import pytest
import torch

from tests.tasks.action.conftest import FRAMES, new_task
from visus.tasks.action.networks import ARCHITECTURES, create_network
from visus.vision.errors import VisusError

INPUTS = ("frames", "differences", "both")


def clips(frames, batch=2):
    generator = torch.Generator().manual_seed(1)
    return torch.randint(0, 256, (batch, frames, 3, 32, 32), generator=generator).byte()


@torch.inference_mode()
def stream(task, frames):
    """The logits after each frame of a stream."""
    state = task.network.initial_state(len(frames))
    logits = []
    for i in range(frames.shape[1]):
        outputs = task(frames[:, i], *state)
        logits.append(outputs[0])
        state = outputs[1:]
    return torch.stack(logits, 1)


@pytest.mark.parametrize("inputs", INPUTS)
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_frame_by_frame_it_computes_what_it_computes_for_a_clip(architecture, inputs):
    task = new_task(architecture, inputs=inputs, cell="lstm" if inputs == "both" else "gru")
    video = clips(FRAMES)
    with torch.inference_mode():
        (whole,) = task(video)
    assert whole.shape == (2, 3)
    torch.testing.assert_close(stream(task, video)[:, -1], whole, atol=1e-4, rtol=0)


@pytest.mark.parametrize("architecture", ["tsn", "recurrent"])
def test_long_streams_see_the_last_window_alone(architecture):
    task, video = new_task(architecture), clips(FRAMES + 3)
    with torch.inference_mode():
        (last,) = task(video[:, -FRAMES:])
    torch.testing.assert_close(stream(task, video)[:, -1], last, atol=1e-4, rtol=0)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_no_frame_depends_on_later_ones(architecture):
    task, video = new_task(architecture, inputs="both"), clips(FRAMES)
    other = video.clone()
    other[:, -1] = 0
    first, second = stream(task, video), stream(task, other)
    assert torch.equal(first[:, :-1], second[:, :-1])
    assert not torch.equal(first[:, -1], second[:, -1])


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_only_the_average_of_frames_ignores_their_order(architecture):
    task, video = new_task(architecture), clips(FRAMES)
    with torch.inference_mode():
        forwards, backwards = task(video)[0], task(video.flip(1))[0]
    assert torch.allclose(forwards, backwards, atol=1e-4) == (architecture == "tsn")


def test_differences_show_motion_alone():
    task, still = new_task("tsn", inputs="differences"), clips(1).expand(-1, FRAMES, -1, -1, -1)
    with torch.inference_mode():
        (logits,) = task(torch.cat([still[:1], still[:1].flip(4)]))
    torch.testing.assert_close(logits[0], logits[1])


def test_gradients_reach_all_weights():
    for architecture in ARCHITECTURES:
        task = new_task(architecture, inputs="both").train()
        task(clips(FRAMES))[0].square().sum().backward()
        unused = [name for name, p in task.named_parameters() if p.grad is None]
        assert not unused, architecture


@pytest.mark.parametrize("name", ["tf_efficientnet_lite0", "resnet18", "lenet5", "densenet121"])
def test_temporal_layers_fit_into_any_convolutional_backbone(name):
    for architecture in ("tsm", "r2plus1d"):
        task = new_task(architecture, name)
        assert len(task.network.state_shapes) > 2
        video = clips(FRAMES)
        with torch.inference_mode():
            difference = task(video)[0] - task(video.flip(1))[0]
        assert difference.abs().max() > 1e-6


def test_pretrained_features_are_those_of_the_frames_before_training():
    """The temporal convolutions are zero at first."""
    arguments = ("resnet9", 3, (32, 32), FRAMES)
    torch.manual_seed(0)
    plain, _ = create_network("tsn", *arguments)
    torch.manual_seed(0)
    temporal, _ = create_network("r2plus1d", *arguments)
    video = torch.rand(1, FRAMES, 3, 32, 32)
    with torch.inference_mode():
        plain.eval(), temporal.eval()
        temporal.head.load_state_dict(plain.head.state_dict())
        torch.testing.assert_close(plain(video), temporal(video))


def test_what_does_not_fit_is_refused():
    with pytest.raises(VisusError, match=r"'vit_tiny_patch16_224' has neither.*tsn or recurrent"):
        new_task("tsm", "vit_tiny_patch16_224")
    with pytest.raises(VisusError, match="'slow' is unknown; choose from tsn, tsm"):
        new_task("slow")
    with pytest.raises(VisusError, match=r"freeze_epochs -1: .* would never be trained"):
        new_task("r2plus1d", freeze_epochs=-1)
