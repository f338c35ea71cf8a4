"""Servers on a free port of this machine, and requests to them."""

import pytest

from tests.serving import serve


@pytest.fixture
def page(model):
    """A server for images that are sent."""
    with serve(model[0]) as server:
        yield server
