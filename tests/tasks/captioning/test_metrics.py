import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from visus.tasks.captioning.ngram_metrics import CiderD, bleu, paired_bootstrap, rouge_l
from visus.vision.vocabulary import BEGIN, END, PAD, UNKNOWN, Vocabulary, build_vocabulary, tokenise

CAPTIONS = [
    "a red circle left of a blue square",
    "a green star",
    "",
    "a dog runs over the grass",
    "two dogs play in the snow snow snow",
    "a man on a red bike rides down a hill",
]
REFERENCES = [
    ["a red circle left of a blue square", "a circle and a square",
     "the red circle is beside a blue square"],
    ["a green star above a yellow cross", "a star"],
    ["an empty ground", "nothing at all"],
    ["a brown dog runs across the green grass", "a dog is running over a lawn", "the dog runs"],
    ["two dogs play in snow", "a pair of dogs in the snow"],
    ["a man rides a bike down a steep hill", "someone on a red bicycle goes downhill"],
]  # fmt: skip
WORDS = [caption.split() for caption in CAPTIONS]
KNOWN = [[reference.split() for reference in known] for known in REFERENCES]

# Computed by pycocoevalcap 1.2.
BLEU = [0.9162995678358796, 0.7704933671989204, 0.6331802459082526, 0.5215833604951742]
ROUGE_L = [1.0, 1.0, 0.0, 0.726190476190476, 0.8026315789473684, 0.7439024390243903]
CIDER_D = [4.821198990299032, 2.6428302498776763, 0.0, 1.9509870446301725, 3.1639682696711526,
           1.9609256650743123]  # fmt: skip


def test_metrics_equal_those_of_the_reference_implementation():
    assert bleu(WORDS, KNOWN) == pytest.approx(BLEU, abs=1e-8)
    metrics = [rouge_l(caption, known) for caption, known in zip(WORDS, KNOWN, strict=True)]
    assert metrics == pytest.approx(ROUGE_L, abs=1e-12)
    cider = CiderD(KNOWN)
    assert [cider.score(i, words) for i, words in enumerate(WORDS)] == pytest.approx(CIDER_D)


sentences = st.lists(st.sampled_from("a b c d".split()), max_size=8)


@given(st.lists(st.tuples(sentences, st.lists(sentences, min_size=1, max_size=3)), min_size=1))
def test_metrics_stay_in_their_range(pairs):
    captions, references = zip(*pairs, strict=True)
    assert all(0 <= value <= 1 + 1e-9 for value in bleu(captions, references))
    cider = CiderD(references)
    for i, (caption, known) in enumerate(pairs):
        assert 0 <= rouge_l(caption, known) <= 1
        assert -1e-9 <= cider.score(i, caption) <= 10 + 1e-9


def test_a_reference_caption_scores_best():
    cider = CiderD(KNOWN)
    for i, known in enumerate(KNOWN):
        assert rouge_l(known[0], known) == 1
        others = [cider.score(i, other[0]) for j, other in enumerate(KNOWN) if j != i]
        assert cider.score(i, known[0]) > max(others)


def test_the_bootstrap_distinguishes_a_real_difference_from_none():
    rng = np.random.default_rng(0)
    second = rng.normal(size=200)
    low, high = paired_bootstrap(second + 0.3 + 0.1 * rng.normal(size=200), second, 1000)
    assert 0.25 < low < 0.3 < high < 0.35
    low, high = paired_bootstrap(rng.normal(size=200), second, 1000)
    assert low < 0 < high


def test_words_are_lower_case_without_punctuation():
    assert tokenise('A "pillow-fight", isn\'t it? ÉTÉ 24 .') == [
        "a", "pillow-fight", "isn't", "it", "été", "24",
    ]  # fmt: skip
    assert tokenise(" . , ! ") == []


def test_a_vocabulary_holds_frequent_words_in_a_stable_order():
    captions = [["b", "a"], ["a", "c"], ["b", "a"]]
    assert build_vocabulary(captions, 2)[4:] == ("a", "b")
    assert build_vocabulary(captions)[4:] == ("a", "b", "c")


@given(st.lists(st.sampled_from(["a", "b", "c", "zebra"]), max_size=9), st.integers(1, 8))
def test_captions_are_encoded_and_decoded(words, length):
    vocabulary = Vocabulary(build_vocabulary([["a", "b", "c"]]))
    ids = vocabulary.encode(words, length)
    assert ids.shape == (length,) and (ids == END).sum() == 1
    end = list(ids).index(END)
    assert (ids[end + 1 :] == PAD).all() and BEGIN not in ids
    assert (ids == UNKNOWN).sum() == words[: length - 1].count("zebra")
    assert vocabulary.decode(ids) == [w for w in words[: length - 1] if w != "zebra"]


def test_letters_keep_their_marks():
    hindi, thai = "\u0915\u093e\u0930\u094d", "\u0e19\u0e31\u0e48\u0e07"
    assert tokenise(f"cafe\u0301 {hindi}, {thai}.") == ["caf\u00e9", hindi, thai]
