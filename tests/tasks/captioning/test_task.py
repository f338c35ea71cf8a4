import pytest
import pytorch_lightning as pl
import torch

from tests.tasks.learning import overfit, show_training_set, trainer
from visus.datamodules.captioning.scenes import ScenesCaptioningData
from visus.tasks.captioning.task import CaptioningTask
from visus.tasks.checkpoints import load_task
from visus.vision.errors import VisusError


def captioner(data, **arguments):
    given = {"backbone": "test_resnet", "hidden": 64, "dropout": 0.0, "label_smoothing": 0.0}
    return CaptioningTask(
        class_names=list(data.class_names),
        image_size=data.image_size,
        resize_mode=data.resize_mode,
        max_words=data.max_words,
        **{**given, "weight_decay": 0.0, "learning_rate": 5e-3, **arguments},
    )


@pytest.mark.parametrize("arguments", [{}, {"cell": "gru", "attention": False}])
def test_overfits_a_small_set(arguments):
    pl.seed_everything(0)
    data = ScenesCaptioningData(8, (64, 64), batch_size=4, num_workers=0)
    show_training_set(data)
    task = captioner(data, **arguments)
    figures = overfit(task, data, "true", 0.9, 200)
    assert figures["test/true"] >= 0.9
    assert figures["test/bleu_4"] >= 0.8 and figures["test/greedy_bleu_4"] >= 0.8
    assert figures["test/shuffled_cider_d"] < figures["test/cider_d"] / 3
    assert figures["test/distinct"] >= 0.8


def test_self_critical_training_raises_the_score_of_what_it_writes():
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
    """CIDEr-D of captions that are written at random."""
    from visus.tasks.captioning.networks import sample_captions
    from visus.tasks.captioning.ngram_metrics import CiderD
    from visus.vision.vocabulary import tokenise

    cider = CiderD([[tokenise(text) for text in told] for told in data.train_captions])
    images = torch.stack([data.dataset("test")[i]["image"] for i in range(8)])
    state = task.eval().network.decoder.start(task.look(images))
    with torch.inference_mode():
        written = [sample_captions(task.network.decoder, state, 10)[0] for _ in range(10)]
    scores = [
        cider.score(i, task.vocabulary.decode(row))
        for words in written
        for i, row in enumerate(words.tolist())
    ]
    return sum(scores) / len(scores)


def test_the_checkpoint_keeps_the_vocabulary(tmp_path):
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


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"cell": "rnn"}, "model.cell 'rnn'"),
        ({"beams": 0}, "model.beams 0"),
        ({"max_words": 1}, "model.max_words 1"),
        ({"scheduled_sampling": 1.5}, r"model.scheduled_sampling 1.5"),
        ({"class_names": ["cat", "dog"]}, "leave it to the data"),
    ],
)
def test_wrong_arguments_are_told(arguments, words):
    with pytest.raises(VisusError, match=words):
        CaptioningTask(**{"backbone": "test_resnet", **arguments})
