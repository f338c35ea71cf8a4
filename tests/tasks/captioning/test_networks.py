import itertools

import pytest
import torch
from torch import nn

from visus.tasks.captioning.networks import (
    CaptionDecoder,
    beam_search,
    caption_loss,
    create_captioner,
    greedy_search,
    sample_captions,
    self_critical_loss,
)
from visus.tasks.captioning.networks.search import forbid
from visus.vision.errors import VisusError
from visus.vision.vocabulary import BEGIN, END, PAD, UNKNOWN

WORDS = 8


def decoder(cell="lstm", attention=True, seed=0):
    torch.manual_seed(seed)
    made = CaptionDecoder(WORDS, 6, 16, cell, attention, dropout=0.0).eval()
    # Words that an untrained decoder tells apart.
    nn.init.normal_(made.embed.weight, std=1.0)
    return made


def features(images=3):
    torch.manual_seed(1)
    return torch.randn(images, 6, 2, 3)


@pytest.mark.parametrize("cell", ["lstm", "gru"])
@pytest.mark.parametrize("attention", [True, False])
def test_each_word_looks_at_the_whole_image_in_shares(cell, attention):
    made = decoder(cell, attention)
    with torch.inference_mode():
        state = made.start(features())
        logits, after, looked = made.step(torch.tensor([BEGIN] * 3), state)
    assert logits.shape == (3, WORDS) and after.hidden.shape == (3, 16)
    assert looked.shape == (3, 6 if attention else 0)
    if attention:
        torch.testing.assert_close(looked.sum(1), torch.ones(3))
    assert not torch.equal(logits[0], logits[1]), "other images, other words"


@torch.inference_mode()
def test_what_follows_the_end_is_filling_and_nothing_is_written_that_is_no_word():
    made = decoder(seed=3)
    for write in (greedy_search, sample_captions):
        words, totals, attention_maps = write(made, made.start(features()), 12)
        assert words.shape == (3, 12) and attention_maps.shape == (3, 12, 6)
        assert (totals < 0).all()
        for row in words.tolist():
            end = row.index(END) if END in row else len(row)
            assert all(word == PAD for word in row[end + 1 :])
            assert not {PAD, BEGIN, UNKNOWN} & set(row[:end])


@torch.inference_mode()
def test_one_beam_writes_what_the_surest_words_are():
    made = decoder()
    greedy, totals, attention_maps = greedy_search(made, made.start(features()), 7)
    words, found, seen = beam_search(made, made.start(features()), 7, 1, 1.0)
    assert torch.equal(words[:, 0], greedy)
    torch.testing.assert_close(found[:, 0], totals)
    shown = greedy != PAD
    torch.testing.assert_close(seen[:, 0][shown], attention_maps[shown])


@torch.inference_mode()
@pytest.mark.parametrize("power", [0.0, 0.7, 1.0])
def test_with_room_for_all_the_search_finds_the_best(power):
    """Compared with every caption of at most three words, scored one by one."""
    made = decoder(seed=5)
    length, images = 3, features(2)
    captions = []
    for count in range(length + 1):
        for words in itertools.product(range(UNKNOWN + 1, WORDS), repeat=count):
            caption = (*words, END)[:length]
            captions.append(caption)
    captions = sorted(set(captions))
    for image in range(2):
        scored = []
        for caption in captions:
            state = made.start(images[image : image + 1])
            word, total = torch.tensor([BEGIN]), 0.0
            for number in caption:
                logits, state, _ = made.step(word, state)
                total += float(forbid(logits)[0, number])
                word = torch.tensor([number])
            scored.append((total / len(caption) ** power, caption))
        best = max(scored)[1]
        words, _, _ = beam_search(made, made.start(images), length, 100, power)
        assert tuple(words[image, 0].tolist()[: len(best)]) == best


def test_learning_from_people_makes_their_words_likelier():
    made = decoder().train()
    words = torch.tensor([[4, 5, END, PAD], [6, END, PAD, PAD], [7, 7, 4, END]])
    optimizer = torch.optim.Adam(made.parameters(), 0.01)
    for _ in range(60):
        loss = caption_loss(made, made.start(features()), words, 0.0, 0.0)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert float(loss.detach()) < 0.1
    with torch.inference_mode():
        written = greedy_search(made.eval(), made.start(features()), 4)[0]
    assert torch.equal(written, words)


def test_its_own_words_are_read_where_they_should_be():
    made = decoder()
    torch.manual_seed(0)
    words = torch.tensor([[4, 5, 6, END]] * 3)
    with torch.inference_mode():
        state = made.start(features())
        people = caption_loss(made, state, words, 0.0, 0.0)
        own = caption_loss(made, state, words, 1.0, 0.0)
        # Which first words are read does not change what comes before them.
        first = caption_loss(made, state, words[:, :1], 1.0, 0.0)
        torch.testing.assert_close(first, caption_loss(made, state, words[:, :1], 0.0, 0.0))
    assert not torch.equal(people, own)


def test_captions_that_score_better_than_the_others_become_likelier():
    totals = torch.zeros(2, 3, requires_grad=True)
    loss = self_critical_loss(totals, torch.tensor([[1.0, 0.0, 0.0], [2.0, 2.0, 2.0]]))
    loss.backward()
    assert totals.grad[0, 0] < 0 < totals.grad[0, 1]
    assert (totals.grad[1] == 0).all(), "nothing to learn where all score alike"


def test_a_captioner_stands_on_any_backbone():
    network, (mean, std) = create_captioner(
        10, "test_resnet", 3, False, (64, 64), 0, 16, "gru", True, 0.0
    )
    maps = network(torch.zeros(2, 3, 64, 64))
    assert maps.shape[0] == 2 and len(mean) == len(std) == 3
    finer, _ = create_captioner(10, "test_resnet", 3, False, (64, 64), 8, 16, "gru", True, 0.0)
    assert finer(torch.zeros(2, 3, 64, 64)).shape[2:] == (8, 8)
    with pytest.raises(VisusError, match=r"model.cell 'rnn' is unknown; choose from lstm, gru"):
        create_captioner(10, "test_resnet", 3, False, (64, 64), 0, 16, "rnn", True, 0.0)


@torch.inference_mode()
def test_where_something_is_can_be_heard_beside_what_it_is():
    torch.manual_seed(0)
    made = CaptionDecoder(WORDS, 112, 64).eval()
    alike = torch.randn(1, 112, 1, 1).expand(1, 112, 8, 8)
    by_place = made.start(alike).values.var(1).mean()
    by_content = made.start(torch.randn(1, 112, 8, 8)).values.var(1).mean() - by_place
    assert by_place > 0.1 * by_content
