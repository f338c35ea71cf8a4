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
from visus.tasks.captioning.networks.search import log_probabilities
from visus.vision.errors import VisusError
from visus.vision.vocabulary import BEGIN, END, PAD, UNKNOWN

WORDS = 8


def decoder(cell="lstm", attention=True, seed=0):
    torch.manual_seed(seed)
    made = CaptionDecoder(WORDS, 6, 16, cell, attention, dropout=0.0).eval()
    # Embeddings with which an untrained decoder distinguishes words.
    nn.init.normal_(made.embed.weight, std=1.0)
    return made


def features(images=3):
    torch.manual_seed(1)
    return torch.randn(images, 6, 2, 3)


@pytest.mark.parametrize("cell", ["lstm", "gru"])
@pytest.mark.parametrize("attention", [True, False])
def test_attention_weights_sum_to_one(cell, attention):
    made = decoder(cell, attention)
    with torch.inference_mode():
        state = made.start(features())
        logits, after, weights = made.step(torch.tensor([BEGIN] * 3), state)
    assert logits.shape == (3, WORDS) and after.hidden.shape == (3, 16)
    assert weights.shape == (3, 6 if attention else 0)
    if attention:
        torch.testing.assert_close(weights.sum(1), torch.ones(3))
    assert not torch.equal(logits[0], logits[1]), "other images, other logits"


@torch.inference_mode()
def test_captions_are_padded_after_the_end_and_contain_no_special_tokens():
    made = decoder(seed=3)
    for search in (greedy_search, sample_captions):
        words, totals, attention_maps = search(made, made.start(features()), 12)
        assert words.shape == (3, 12) and attention_maps.shape == (3, 12, 6)
        assert (totals < 0).all()
        for row in words.tolist():
            end = row.index(END) if END in row else len(row)
            assert all(word == PAD for word in row[end + 1 :])
            assert not {PAD, BEGIN, UNKNOWN} & set(row[:end])


@torch.inference_mode()
def test_beam_search_with_one_beam_is_greedy_search():
    made = decoder()
    greedy, totals, attention_maps = greedy_search(made, made.start(features()), 7)
    words, beam_totals, beam_maps = beam_search(made, made.start(features()), 7, 1, 1.0)
    assert torch.equal(words[:, 0], greedy)
    torch.testing.assert_close(beam_totals[:, 0], totals)
    shown = greedy != PAD
    torch.testing.assert_close(beam_maps[:, 0][shown], attention_maps[shown])


@torch.inference_mode()
@pytest.mark.parametrize("power", [0.0, 0.7, 1.0])
def test_beam_search_with_enough_beams_finds_the_best_caption(power):
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
            for id in caption:
                logits, state, _ = made.step(word, state)
                total += float(log_probabilities(logits)[0, id])
                word = torch.tensor([id])
            scored.append((total / len(caption) ** power, caption))
        best = max(scored)[1]
        words, _, _ = beam_search(made, made.start(images), length, 100, power)
        assert tuple(words[image, 0].tolist()[: len(best)]) == best


def test_cross_entropy_training_reproduces_the_reference_captions():
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
        predicted = greedy_search(made.eval(), made.start(features()), 4)[0]
    assert torch.equal(predicted, words)


def test_scheduled_sampling_reads_predicted_words():
    made = decoder()
    torch.manual_seed(0)
    words = torch.tensor([[4, 5, 6, END]] * 3)
    with torch.inference_mode():
        state = made.start(features())
        forced = caption_loss(made, state, words, 0.0, 0.0)
        sampled = caption_loss(made, state, words, 1.0, 0.0)
        # The first prediction does not depend on the words that are read after it.
        first = caption_loss(made, state, words[:, :1], 1.0, 0.0)
        torch.testing.assert_close(first, caption_loss(made, state, words[:, :1], 0.0, 0.0))
    assert not torch.equal(forced, sampled)


def test_self_critical_loss_favours_captions_with_above_average_reward():
    totals = torch.zeros(2, 3, requires_grad=True)
    loss = self_critical_loss(totals, torch.tensor([[1.0, 0.0, 0.0], [2.0, 2.0, 2.0]]))
    loss.backward()
    assert totals.grad[0, 0] < 0 < totals.grad[0, 1]
    assert (totals.grad[1] == 0).all(), "no gradient where all rewards are equal"


def test_create_captioner_uses_the_feature_map_of_the_given_stride():
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
def test_the_position_embedding_is_not_negligible():
    torch.manual_seed(0)
    made = CaptionDecoder(WORDS, 112, 64).eval()
    constant = torch.randn(1, 112, 1, 1).expand(1, 112, 8, 8)
    by_position = made.start(constant).values.var(1).mean()
    by_content = made.start(torch.randn(1, 112, 8, 8)).values.var(1).mean() - by_position
    assert by_position > 0.1 * by_content


def test_a_decoder_attends_to_frames_in_time():
    decoder = CaptionDecoder(20, 16, 32, temporal="attention").eval()
    features = torch.randn(2, 5, 16, 3, 4)
    state = decoder.start(features)
    assert state.values.shape == (2, 60, 32)
    # The order of the frames matters.
    assert not torch.allclose(state.values.sum(1), decoder.start(features.flip(1)).values.sum(1))
    # A single image is a clip of one frame.
    assert decoder.start(features[:, 0]).values.shape == (2, 12, 32)


def test_a_decoder_without_attention_in_time_reads_the_mean_of_the_frames():
    decoder = CaptionDecoder(20, 16, 32, temporal="mean").eval()
    features = torch.randn(2, 5, 16, 3, 4)
    mean = decoder.start(features.mean(1))
    torch.testing.assert_close(decoder.start(features).values, mean.values)


@pytest.mark.parametrize(
    ("cell", "temporal"), [("gru", None), ("lstm", None), ("gru", "attention")]
)
def test_every_weight_that_is_trained_has_a_gradient(cell, temporal):
    # DistributedDataParallel needs it.
    made = CaptionDecoder(WORDS, 6, 12, cell, temporal=temporal)
    _, _, weights = made.step(torch.tensor([BEGIN] * 3), made.start(features()))
    logits, _, _ = made.step(torch.tensor([BEGIN] * 3), made.start(features()))
    (logits.sum() + weights.sum()).backward()
    trained = {name for name, value in made.named_parameters() if value.requires_grad}
    assert trained == {n for n, value in made.named_parameters() if value.grad is not None}
