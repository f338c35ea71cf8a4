import dataclasses

import pytest

from visus.models.weights_manifest import IMAGENET
from visus.tasks.registry import all_weights, find_weights
from visus.vision.errors import VisusError


def test_names_are_distinct():
    names = [name for entry in all_weights() for name in (entry.name, *entry.aliases)]
    assert len(names) == len(set(names))
    assert find_weights("imagenet") is IMAGENET[0]
    assert find_weights("nonsense") is None


def test_another_file_is_refused():
    changed = dataclasses.replace(IMAGENET[0], sha256="0" * 64)
    with pytest.raises(VisusError, match="sha256"):
        changed.path()


def test_a_missing_package_names_the_remedy():
    absent = dataclasses.replace(IMAGENET[0], package="not-installed-anywhere")
    assert absent.find() is None
    with pytest.raises(VisusError, match="pip install not-installed-anywhere"):
        absent.path()
