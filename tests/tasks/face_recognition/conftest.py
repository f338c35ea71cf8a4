from tests.edge import edge
from tests.faces import images

__all__ = ["edge", "images"]
