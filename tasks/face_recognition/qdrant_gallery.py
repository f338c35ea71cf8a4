"""The same gallery on a Qdrant server, for more faces than one machine's memory holds."""

import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np

from visus.tasks.face_recognition.gallery import Calibration, Embeddings, Person
from visus.vision.errors import VisusError

_FACTS = uuid.UUID(int=0)
_PAGE = 1000


def open_qdrant(place: str, model: str, size: int, create: bool) -> "QdrantGallery":
    """A gallery on a server.

    Args:
        place: `host:port/collection`.
        model: Fingerprint of the model whose embeddings it holds.
        size: Numbers of an embedding.
        create: Whether to make the collection where there is none.

    Raises:
        VisusError: If the server does not answer, or the collection is another's.
    """
    try:
        from qdrant_client import QdrantClient
    except ImportError:
        raise VisusError("qdrant-client is not installed; pip install 'visus[qdrant]'") from None
    server, _, collection = place.partition("/")
    if not server or not collection:
        raise VisusError(f"--gallery qdrant://{place}: must be qdrant://HOST:PORT/COLLECTION")
    return QdrantGallery(QdrantClient(f"http://{server}"), collection, model, size, create)


class QdrantGallery:
    """See `visus.tasks.face_recognition.gallery.Gallery`; keeps no crops.

    Args:
        client: A `qdrant_client.QdrantClient`.
        collection: The collection's name.
        model: Fingerprint of the model whose embeddings it holds.
        size: Numbers of an embedding.
        create: Whether to make the collection where there is none.

    Raises:
        VisusError: If the server does not answer, or the collection is another's.
    """

    def __init__(
        self, client: Any, collection: str, model: str, size: int, create: bool = True
    ) -> None:
        from qdrant_client import models

        self._client, self._collection, self._models = client, collection, models
        self._size = size
        try:
            exists = client.collection_exists(collection)
        except Exception as error:
            # The client raises errors of the library that it speaks HTTP with.
            raise VisusError(f"the Qdrant server does not answer ({error})") from None
        if not exists and not create:
            raise VisusError(
                f"collection {collection!r}: there is none; visus faces enroll makes it"
            )
        if not exists:
            vectors = models.VectorParams(size=size, distance=models.Distance.COSINE)
            client.create_collection(collection, vectors_config=vectors)
            self._keep_facts({"model": model})
        found = self._facts().get("model")
        if found != model:
            raise VisusError(
                f"collection {collection!r}: holds embeddings of another model "
                f"({str(found)[:12]}, not {model[:12]}), which cannot be compared"
            )

    def enrol(
        self, name: str, embeddings: Embeddings, consent: str, crops: Sequence[bytes], add: bool
    ) -> None:
        """See `Gallery.enrol`; a second process enrolling the same name is not noticed."""
        if crops:
            raise VisusError("a gallery on Qdrant keeps no crops; leave out --keep-crops")
        if not add and self._of(name):
            raise VisusError(
                f"{name!r} is enrolled already; pass --add for more faces, or forget them first"
            )
        now = datetime.now(UTC).isoformat(timespec="seconds")
        payload = {"name": name, "consent": consent, "enrolled": now}
        points = [
            self._models.PointStruct(id=str(uuid.uuid4()), vector=e.tolist(), payload=payload)
            for e in embeddings
        ]
        self._client.upsert(self._collection, points, wait=True)

    def forget(self, name: str) -> int:
        """See `Gallery.forget`; the server removes the bytes when it next optimises."""
        points = self._of(name)
        if not points:
            raise VisusError(f"{name!r} is not in {self._collection!r}")
        self._client.delete(self._collection, [point.id for point in points], wait=True)
        return len(points)

    def people(self) -> list[Person]:
        """See `Gallery.people`."""
        counts: dict[str, list[Any]] = {}
        for point in self._scroll(None):
            counts.setdefault(point.payload["name"], []).append(point.payload)
        return [
            Person(name, rows[-1]["consent"], min(row["enrolled"] for row in rows), len(rows))
            for name, rows in sorted(counts.items())
        ]

    def nearest(self, embedding: Embeddings) -> tuple[str, float] | None:
        """See `Gallery.nearest`; exact, without the server's approximate index."""
        exact = self._models.SearchParams(exact=True)
        found = self._client.query_points(
            self._collection,
            embedding.tolist(),
            query_filter=self._models.Filter(must_not=[self._is("facts", True)]),
            limit=1,
            search_params=exact,
        ).points
        return (found[0].payload["name"], float(found[0].score)) if found else None

    def similarity(self, name: str, embedding: Embeddings) -> float:
        """See `Gallery.similarity`."""
        points = self._of(name, vectors=True)
        if not points:
            raise VisusError(f"{name!r} is not in {self._collection!r}")
        return max(float(np.asarray(point.vector, np.float32) @ embedding) for point in points)

    @property
    def calibration(self) -> Calibration | None:
        """See `Gallery.calibration`."""
        found = self._facts()
        if "threshold" not in found:
            return None
        return Calibration(found["threshold"], found["far"])

    def calibrate(self, calibration: Calibration) -> None:
        """See `Gallery.calibrate`."""
        facts = {"threshold": calibration.threshold, "far": calibration.far}
        self._keep_facts({**self._facts(), **facts})

    def _facts(self) -> dict[str, Any]:
        found = self._client.retrieve(self._collection, [str(_FACTS)])
        return dict(found[0].payload) if found else {}

    def _keep_facts(self, facts: dict[str, Any]) -> None:
        """Facts lie in a point of their own, whose vector is never compared."""
        vector = [1.0] + [0.0] * (self._size - 1)
        payload = {**facts, "facts": True}
        point = self._models.PointStruct(id=str(_FACTS), vector=vector, payload=payload)
        self._client.upsert(self._collection, [point], wait=True)

    def _is(self, key: str, value: Any) -> Any:
        return self._models.FieldCondition(key=key, match=self._models.MatchValue(value=value))

    def _of(self, name: str, vectors: bool = False) -> list[Any]:
        return self._scroll(self._models.Filter(must=[self._is("name", name)]), vectors)

    def _scroll(self, wanted: Any, vectors: bool = False) -> list[Any]:
        """All points of people that pass a filter."""
        found: list[Any] = []
        place = None
        while True:
            page, place = self._client.scroll(
                self._collection, wanted, limit=_PAGE, offset=place, with_vectors=vectors
            )
            found += [point for point in page if "name" in point.payload]
            if place is None:
                return found
