"""The queue of images that are sent, and the threads that answer them."""

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future, InvalidStateError
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import NamedTuple

from visus.apps.live.serve.answers import RequestError
from visus.apps.live.serve.prediction import Answer, Upload, decode, pixels_of, predict_uploads
from visus.tasks.options import Session
from visus.vision.images import MemoryShortageError, Pixels

MAX_WAITING = 64
"""Maximum number of images that wait, of all models; more are refused."""

MAX_BATCH = 8
"""Maximum number of images in one run of a network."""

PREDICT_SECONDS = 30.0
"""Time limit from the moment when an image has arrived to its answer."""

LARGE_PIXELS = 2**24
"""Images with more pixels are decoded one at a time, so that others need not wait for them."""

MAX_PIXELS = 40_000_000
"""Images with more pixels are refused: one in decoding leaves memory for others."""

Observe = Callable[[str, str, float], None]
"""Receives a model's name, `batch` or the name of a stage, and a number of images or seconds."""


@dataclass(eq=False)
class Job:
    """An image in the queue.

    Attributes:
        model: Name of the model.
        upload: The image.
        future: Its answer; cancelled if the client has gone.
        queued: `time.perf_counter()` when it entered the queue.
        large: Whether it has over `LARGE_PIXELS` pixels; None before that is known.
    """

    model: str
    upload: Upload
    future: Future[Answer] = field(default_factory=Future)
    queued: float = field(default_factory=time.perf_counter)
    large: bool | None = None


class _Turn(NamedTuple):
    """Jobs of one model with the same options, taken by one thread."""

    jobs: list[Job]
    large: bool


class Batcher:
    """Threads that decode images and predict for them, in the order of their arrival.

    A network that takes several images at once gets all that wait, up to `MAX_BATCH`, as soon as it
    is free: batches grow with the load, and a single image never waits for others.

    Args:
        sessions: The models by name.
        workers: Number of threads.
        observe: Records sizes of batches and times of stages.
    """

    def __init__(self, sessions: Mapping[str, Session], workers: int, observe: Observe) -> None:
        self._sessions = sessions
        self._observe = observe
        self._free = {
            name: threading.Semaphore(session.model.workers) for name, session in sessions.items()
        }
        self._jobs: deque[Job] = deque()
        self._large: deque[Job] = deque()
        self._decoding_large = False
        self._running = 0
        self._closed = False
        self._changed = threading.Condition()
        for i in range(workers):
            threading.Thread(target=self._work, name=f"predict {i}", daemon=True).start()

    @property
    def waiting(self) -> int:
        """Number of images that wait."""
        return len(self._jobs) + len(self._large)

    @property
    def full(self) -> bool:
        """Whether another image would be refused."""
        return self._closed or self.waiting >= MAX_WAITING

    def submit(self, model: str, upload: Upload) -> Future[Answer]:
        """Queue an image; the result is its answer.

        Raises:
            RequestError: If the queue is full.
        """
        job = Job(model, upload)
        with self._changed:
            if self.full:
                raise RequestError(
                    HTTPStatus.SERVICE_UNAVAILABLE,
                    f"{MAX_WAITING} images are waiting; send it again later",
                )
            self._jobs.append(job)
            self._changed.notify()
        # The place of a client that has gone is free at once.
        job.future.add_done_callback(lambda _: self._forget(job))
        return job.future

    def finish(self, seconds: float) -> None:
        """Wait until all images are answered, for a number of seconds at most."""
        with self._changed:
            self._changed.wait_for(lambda: not self.waiting and not self._running, seconds)

    def close(self) -> None:
        """Refuse what waits, and end the threads."""
        with self._changed:
            self._closed = True
            waiting = [*self._jobs, *self._large]
            self._changed.notify_all()
        for job in waiting:
            _fail(job, RequestError(HTTPStatus.SERVICE_UNAVAILABLE, "the server is stopping"))

    def _forget(self, job: Job) -> None:
        if not job.future.cancelled():
            return
        with self._changed:
            for jobs in (self._jobs, self._large):
                if job in jobs:
                    jobs.remove(job)
            self._changed.notify_all()

    def _work(self) -> None:
        while (turn := self._take()) is not None:
            try:
                self._answer(turn)
            finally:
                with self._changed:
                    self._running -= 1
                    if turn.large:
                        self._decoding_large = False
                    self._changed.notify_all()

    def _take(self) -> _Turn | None:
        """The next jobs; None at the end."""
        with self._changed:
            while True:
                self._changed.wait_for(lambda: self._closed or self._jobs or self._takes_large())
                if self._closed:
                    return None
                if self._takes_large():
                    jobs, large = [self._large.popleft()], True
                    self._decoding_large = True
                else:
                    jobs, large = self._next_batch(), False
                late = time.perf_counter() - PREDICT_SECONDS
                jobs = [job for job in jobs if job.queued > late and not job.future.cancelled()]
                if jobs:
                    self._running += 1
                    return _Turn(jobs, large)
                self._decoding_large &= not large

    def _takes_large(self) -> bool:
        return bool(self._large) and not self._decoding_large

    def _next_batch(self) -> list[Job]:
        jobs = [self._jobs.popleft()]
        model = self._sessions[jobs[0].model].model
        most = min(MAX_BATCH, model.batch_size)
        while len(jobs) < most and self._jobs and _same(jobs[0], self._jobs[0]):
            jobs.append(self._jobs.popleft())
        return jobs

    def _answer(self, turn: _Turn) -> None:
        decoded: list[tuple[Job, Pixels]] = []
        pixels = 0
        for job in turn.jobs:
            start = time.perf_counter()
            job.upload.seconds["queue"] = start - job.queued
            try:
                if not turn.large and self._is_large(job):
                    continue
                image = decode(job.upload)
            except Exception as error:
                _fail(job, error)
                continue
            decoded.append((job, image))
            pixels += image.shape[0] * image.shape[1]
            if pixels >= LARGE_PIXELS:
                # So that a thread holds at most two large images, whatever the batch.
                self._predict(decoded)
                decoded, pixels = [], 0
        if decoded:
            self._predict(decoded)

    def _predict(self, decoded: list[tuple[Job, Pixels]]) -> None:
        """Predict and answer decoded images of one model together."""
        name = decoded[0][0].model
        with self._free[name]:
            self._observe(name, "batch", len(decoded))
            uploads = [job.upload for job, _ in decoded]
            images = [image for _, image in decoded]
            answers = predict_uploads(self._sessions[name], uploads, images)
        for (job, _), answer in zip(decoded, answers, strict=True):
            for stage, seconds in job.upload.seconds.items():
                self._observe(name, stage, seconds)
            if isinstance(answer, Exception):
                _fail(job, answer)
            else:
                _settle(job.future.set_result, answer)

    def _is_large(self, job: Job) -> bool:
        """Whether a job must wait for its turn among the large ones, where it then is.

        Raises:
            RequestError: If it has too many pixels.
        """
        pixels = pixels_of(job.upload, LARGE_PIXELS)
        if pixels > MAX_PIXELS:
            raise RequestError(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                f"{pixels:,} pixels are too many; {MAX_PIXELS:,} at most",
            )
        if pixels <= LARGE_PIXELS:
            return False
        with self._changed:
            self._large.append(job)
            self._changed.notify_all()
        return True


def _same(first: Job, other: Job) -> bool:
    """Whether two jobs can be one batch."""
    return (first.model, first.upload.threshold) == (other.model, other.upload.threshold)


def _fail(job: Job, error: Exception) -> None:
    if isinstance(error, MemoryShortageError):
        error = RequestError(HTTPStatus.SERVICE_UNAVAILABLE, str(error))
    _settle(job.future.set_exception, error)


def _settle(setter: Callable[..., None], value: object) -> None:
    try:
        setter(value)
    except InvalidStateError:
        # The client has gone.
        pass
