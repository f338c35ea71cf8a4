import pytest
import pytorch_lightning as pl
import torch

from tests.tasks.overfit import overfit, show_training_set, trainer
from visus.datamodules.captioning.scenes import ScenesCaptioningData
from visus.tasks.captioning.data_info import CaptioningInfo
from visus.tasks.captioning.task import CaptioningTask
from visus.tasks.checkpoints import load_task
from visus.tasks.data_info import info_from_data
from visus.tasks.registry import task_spec
from visus.vision.errors import VisusError
from visus.vision.vocabulary import SPECIAL_TOKENS


def captioner(data, **arguments):
    given = {"backbone": "test_resnet", "hidden_size": 64, "dropout": 0.0, "label_smoothing": 0.0}
    return CaptioningTask(
        data_info=info_from_data(CaptioningInfo, data),
        **{**given, "weight_decay": 0.0, "learning_rate": 5e-3, **arguments},
    )


def info(**changes):
    given = {"image_size": (64, 64), "class_names": (*SPECIAL_TOKENS, "a"), "in_channels": 3}
    return CaptioningInfo(**{**given, "resize_mode": "stretch", "max_words": 10, **changes})


@pytest.mark.parametrize("arguments", [{}, {"cell": "gru", "attention": False}])
def test_overfits_a_small_set(arguments):
    pl.seed_everything(0)
    data = ScenesCaptioningData(8, (64, 64), batch_size=4, num_workers=0)
    show_training_set(data)
    task = captioner(data, **arguments)
    metrics = overfit(task, data, "true", 0.9, 200)
    assert metrics["test/true"] >= 0.9
    assert metrics["test/bleu_4"] >= 0.8 and metrics["test/greedy_bleu_4"] >= 0.8
    assert metrics["test/shuffled_cider_d"] < metrics["test/cider_d"] / 3
    assert metrics["test/distinct"] >= 0.8


def test_self_critical_training_raises_the_reward_of_sampled_captions():
    pl.seed_everything(0)
    data = ScenesCaptioningData(8, (64, 64), batch_size=8, num_workers=0)
    show_training_set(data)
    task = captioner(data, learning_rate=3e-3)
    trainer(max_epochs=20, limit_val_batches=0).fit(task, data)
    torch.manual_seed(0)
    before = _mean_reward(task, data)
    task.self_critical_epochs = 25
    trainer(max_epochs=25, limit_val_batches=0).fit(task, data)
    torch.manual_seed(0)
    assert _mean_reward(task, data) > before + 0.5


def _mean_reward(task, data):
    """The mean CIDEr-D of sampled captions."""
    from visus.tasks.captioning.networks import sample_captions
    from visus.tasks.captioning.ngram_metrics import CiderD
    from visus.vision.vocabulary import tokenise

    cider = CiderD([[tokenise(text) for text in each] for each in data.train_captions])
    images = torch.stack([data.dataset("test")[i]["image"] for i in range(8)])
    state = task.eval().network.decoder.start(task.extract_features(images))
    with torch.inference_mode():
        sampled = [sample_captions(task.network.decoder, state, 10)[0] for _ in range(10)]
    scores = [
        cider.score(i, task.vocabulary.decode(row))
        for words in sampled
        for i, row in enumerate(words.tolist())
    ]
    return sum(scores) / len(scores)


def test_a_checkpoint_restores_the_vocabulary_and_the_weights(tmp_path):
    data = ScenesCaptioningData(8, (64, 64), batch_size=4, num_workers=0)
    task = captioner(data)
    fitted = trainer(max_epochs=1, limit_val_batches=0)
    fitted.fit(task, data)
    fitted.save_checkpoint(tmp_path / "a.ckpt")
    loaded = load_task(tmp_path / "a.ckpt")
    assert tuple(loaded.class_names) == data.class_names
    images = torch.randint(0, 256, (2, 3, 64, 64), dtype=torch.uint8)
    with torch.inference_mode():
        for found, expected in zip(loaded(images), task.eval()(images), strict=True):
            torch.testing.assert_close(found, expected)


def test_self_critical_training_needs_the_training_captions():
    class WithoutCaptions(pl.LightningDataModule):
        def train_dataloader(self):
            return scenes.train_dataloader()

    scenes = ScenesCaptioningData(8, (64, 64), batch_size=4, num_workers=0)
    task = captioner(scenes, self_critical_epochs=1)
    words = "WithoutCaptions has no attribute 'train_captions'.*self_critical_epochs to 0"
    with pytest.raises(VisusError, match=words):
        trainer(max_epochs=1).fit(task, WithoutCaptions())


def test_the_backbone_receives_its_options():
    task = CaptioningTask(info(), backbone="lenet5", backbone_options={"activation": "relu"})
    assert any(isinstance(module, torch.nn.ReLU) for module in task.backbone.modules())
    other = CaptioningTask(info(), backbone="lenet5", backbone_options={"activation": "tanh"})
    assert not any(isinstance(module, torch.nn.ReLU) for module in other.backbone.modules())


def test_export_uses_greedy_search_and_restores_the_beam_width():
    task = CaptioningTask(info(), backbone="test_resnet", beams=3).eval()
    images = torch.zeros((2, 3, 64, 64), dtype=torch.uint8)
    with torch.inference_mode():
        with task.spec.prepare_export(task):
            assert task(images)[0].shape == (2, 1, 10)
        assert task(images)[0].shape == (2, 3, 10)


def test_hidden_size_was_hidden_in_format_1():
    old = {"hidden": 16, "cell": "gru", "class_names": ["a"], "image_size": [64, 64],
           "in_channels": 3, "fit_mode": "stretch", "max_words": 10}  # fmt: skip
    migrated = task_spec("captioning").migrate_arguments(old, 1)
    data_info = migrated.pop("data_info")
    assert migrated == {"hidden_size": 16, "cell": "gru"}
    assert data_info["max_words"] == 10 and data_info["resize_mode"] == "stretch"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"cell": "rnn"}, "model.cell 'rnn'"),
        ({"beams": 0}, "model.beams 0"),
        ({"scheduled_sampling": 1.5}, r"model.scheduled_sampling 1.5"),
        ({"data_info": info(max_words=1)}, "data.max_words 1"),
        ({"data_info": info(class_names=("cat", "dog"))}, "leave data.class_names to the data"),
    ],
)
def test_wrong_arguments_are_refused(arguments, words):
    with pytest.raises(VisusError, match=words):
        CaptioningTask(**{"backbone": "test_resnet", "data_info": info(), **arguments})


def test_a_beam_width_holds_for_one_call():
    from visus.apps.inference.loading import torch_model
    from visus.apps.python.model import Model

    data = ScenesCaptioningData(8, (64, 64), batch_size=4, num_workers=0)
    task = captioner(data)
    model = Model(torch_model("toy", task), "toy")
    image = data.dataset("val").image(0)
    before = model(image).prediction.caption
    assert len(model(image, beam=1).prediction.captions) == 1
    assert task.beams == 3 and model(image).prediction.caption == before


def test_a_summary_belongs_to_a_stream():
    from visus.apps.inference.loading import torch_model
    from visus.apps.python.model import Model

    data = ScenesCaptioningData(8, (64, 64), batch_size=4, num_workers=0)
    model = Model(torch_model("toy", captioner(data)), "toy")
    images = [data.dataset("val").image(i) for i in range(2)]
    with pytest.raises(TypeError, match="summary: is for images as a whole; for result in model"):
        model(images, summary=True)
    with pytest.raises(TypeError, match="one of beam, summary: is for images as a whole"):
        model(images, beam=1, summary=True)
    stream = model.stream(iter(images), summary=True)
    assert stream.summary == [] and len(list(stream)) == 2
    assert len(stream.summary) == 1
