"""A gallery on a Qdrant server, for more faces than the memory of one machine holds."""

import unicodedata
import uuid
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from operator import itemgetter
from typing import Any

import numpy as np

from visus.tasks.face_recognition.gallery import Calibration, Embeddings, Person, person_name
from visus.vision.errors import VisusError

_VALUES_ID = uuid.UUID(int=0)
"""The point whose payload holds the fingerprint and the threshold."""

_PAGE = 1000


def open_qdrant(place: str, model: tuple[str, int] | None, create: bool) -> "QdrantGallery":
    """Open a gallery on a server.

    Args:
        place: `host:port/collection`.
        model: Fingerprint of the model that computes the embeddings, and their length; None where
            it may be any, as nobody is enrolled or searched.
        create: Whether to create the collection where it does not exist.

    Raises:
        VisusError: If the server does not answer, or the collection is of another model.
    """
    try:
        from qdrant_client import QdrantClient
    except ImportError:
        raise VisusError("qdrant-client is not installed; pip install 'visus[qdrant]'") from None
    server, _, collection = place.partition("/")
    if not server or not collection:
        raise VisusError(f"--gallery qdrant://{place}: must be qdrant://HOST:PORT/COLLECTION")
    return QdrantGallery(QdrantClient(f"http://{server}"), collection, model, create)


class _Answering:
    """A client whose errors, which are those of its HTTP library, are one line.

    Args:
        client: The client.
    """

    def __init__(self, client: Any) -> None:
        self._client = client

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._client, name)

        def call(*arguments: Any, **more: Any) -> Any:
            try:
                return method(*arguments, **more)
            except Exception as error:
                reason = " ".join(str(error).split()) or type(error).__name__
                raise VisusError(
                    f"the Qdrant server does not answer, or refuses ({reason}); check its address "
                    "and its log"
                ) from None

        return call


class QdrantGallery:
    """A gallery in a Qdrant collection, without crops; see `Gallery`.

    Args:
        client: A `qdrant_client.QdrantClient`.
        collection: The collection's name.
        model: See `open_qdrant`.
        create: Whether to create the collection where it does not exist.

    Raises:
        VisusError: If the server does not answer, here or in a method, or the collection is of
            another model.
    """

    def __init__(
        self, client: Any, collection: str, model: tuple[str, int] | None, create: bool = True
    ) -> None:
        from qdrant_client import models

        client = _Answering(client)
        self._client, self._collection, self._models = client, collection, models
        exists = client.collection_exists(collection)
        if not exists and (not create or model is None):
            raise VisusError(
                f"collection {collection!r} does not exist; visus faces enroll creates it"
            )
        if model is None:
            if "model" not in self._values():
                raise VisusError(f"collection {collection!r}: is no gallery; choose another")
            return
        fingerprint, self._size = model
        if not exists:
            vectors = models.VectorParams(size=self._size, distance=models.Distance.COSINE)
            client.create_collection(collection, vectors_config=vectors)
            self._store_values({"model": fingerprint})
        stored = self._values().get("model")
        if stored != fingerprint:
            raise VisusError(
                f"collection {collection!r}: holds embeddings of another model "
                f"({str(stored)[:12]}, not {fingerprint[:12]}), which cannot be compared"
            )

    def enrol(
        self, name: str, embeddings: Embeddings, consent: str, crops: Sequence[bytes], add: bool
    ) -> None:
        """See `Gallery.enrol`; concurrent enrolments of one name are not detected."""
        if crops:
            raise VisusError("a gallery on Qdrant stores no crops; leave out --keep-crops")
        if not add and self._faces_of(name):
            raise VisusError(
                f"{name!r} is enrolled already; pass --add for more faces, or forget them first"
            )
        now = datetime.now(UTC).isoformat(timespec="seconds")
        payload = {"name": person_name(name), "consent": consent, "enrolled": now}
        points = [
            self._models.PointStruct(id=str(uuid.uuid4()), vector=e.tolist(), payload=payload)
            for e in embeddings
        ]
        self._client.upsert(self._collection, points, wait=True)

    def forget(self, name: str) -> int:
        """See `Gallery.forget`; the server erases the bytes at its next optimisation."""
        points = self._faces_of(name)
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
            Person(
                name,
                max(rows, key=itemgetter("enrolled"))["consent"],
                min(row["enrolled"] for row in rows),
                len(rows),
            )
            for name, rows in sorted(counts.items())
        ]

    def load(self, size: int) -> None:
        """See `Gallery.load`; the server has everything."""

    def nearest(self, embedding: Embeddings) -> tuple[str, float] | None:
        """See `Gallery.nearest`; exact, without the server's approximate index."""
        exact = self._models.SearchParams(exact=True)
        nearest = self._client.query_points(
            self._collection,
            embedding.tolist(),
            query_filter=self._models.Filter(must_not=[self._is("facts", True)]),
            limit=1,
            search_params=exact,
        ).points
        return (nearest[0].payload["name"], float(nearest[0].score)) if nearest else None

    def candidates(self, embedding: Embeddings, count: int) -> list[tuple[str, float]]:
        """See `Gallery.candidates`; exact, as `nearest`."""
        groups = self._client.query_points_groups(
            self._collection,
            "name",
            embedding.tolist(),
            query_filter=self._models.Filter(must_not=[self._is("facts", True)]),
            search_params=self._models.SearchParams(exact=True),
            limit=count,
            group_size=1,
        ).groups
        return [(str(group.id), float(group.hits[0].score)) for group in groups]

    def similarity(self, name: str, embedding: Embeddings) -> float:
        """See `Gallery.similarity`."""
        points = self._faces_of(name, vectors=True)
        if not points:
            raise VisusError(f"{name!r} is not in {self._collection!r}")
        return max(float(np.asarray(point.vector, np.float32) @ embedding) for point in points)

    @property
    def calibration(self) -> Calibration | None:
        """See `Gallery.calibration`."""
        values = self._values()
        if "threshold" not in values:
            return None
        return Calibration(values["threshold"], values["far"])

    def calibrate(self, calibration: Calibration) -> None:
        """See `Gallery.calibrate`."""
        values = {"threshold": calibration.threshold, "far": calibration.far}
        self._store_values({**self._values(), **values})

    def _values(self) -> dict[str, Any]:
        points = self._client.retrieve(self._collection, [str(_VALUES_ID)])
        return dict(points[0].payload) if points else {}

    def _store_values(self, values: dict[str, Any]) -> None:
        """Replace the values, in a point of their own with an unused vector."""
        vector = [1.0] + [0.0] * (self._size - 1)
        payload = {**values, "facts": True}
        point = self._models.PointStruct(id=str(_VALUES_ID), vector=vector, payload=payload)
        self._client.upsert(self._collection, [point], wait=True)

    def _is(self, key: str, value: Any) -> Any:
        return self._models.FieldCondition(key=key, match=self._models.MatchValue(value=value))

    def _faces_of(self, name: str, vectors: bool = False) -> list[Any]:
        # A name may have been stored before names were normalised.
        known = person_name(name)
        names = {name, known, unicodedata.normalize("NFD", known)}
        any_name = self._models.Filter(should=[self._is("name", each) for each in names])
        return self._scroll(any_name, vectors)

    def _scroll(self, condition: Any, vectors: bool = False) -> list[Any]:
        """All faces that pass a filter; None for all."""
        points: list[Any] = []
        offset = None
        while True:
            page, offset = self._client.scroll(
                self._collection, condition, limit=_PAGE, offset=offset, with_vectors=vectors
            )
            points += [point for point in page if "name" in point.payload]
            if offset is None:
                return points
