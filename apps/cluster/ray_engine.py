"""Prediction by Ray: actors that load the model once, and write partitions."""

import logging
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from visus.apps.cluster.partitions import Partitions
from visus.apps.cluster.worker import Job, PartitionPredictor
from visus.apps.live.loop import LoopResult
from visus.apps.native_messages import without_native_messages
from visus.apps.parsing import CommandError
from visus.vision.errors import VisusError
from visus.vision.progress import track

_ANSWER = 10.0
"""Seconds within which a cluster must answer."""

_ACTOR_CORES = 4
"""Cores of an actor, at most: a killed one delays no more of a large machine."""


def check_engine(engine: str) -> None:
    """Refuse an engine that is unknown or not installed.

    Raises:
        CommandError: Naming the remedy.
    """
    from importlib.util import find_spec

    if engine != "ray" and not engine.startswith("ray://"):
        raise CommandError(
            f"--engine {engine}: is unknown; ray uses this machine, ray://HOST:6379 a cluster"
        )
    if find_spec("ray") is None:
        raise CommandError('--engine ray: pip install "visus[ray]"')


def predict_partitions(engine: str, job: Job, partitions: Partitions) -> LoopResult:
    """Predict the partitions that have no file yet.

    Args:
        engine: `ray` for this machine; or, on a machine of a cluster, the address that `ray start`
            was given, `ray://HOST:PORT`. Its machines read and write the same paths.
        job: What all partitions have in common; its number of cores is chosen here.
        partitions: The partitions.

    Raises:
        VisusError: If the cluster cannot be reached, or an actor cannot work.
    """
    missing = partitions.missing()
    done = len(partitions) - len(missing)
    if done:
        print(f"{done} of {len(partitions)} partitions exist already", file=sys.stderr)
    images = problems = 0
    if missing:
        with _connected(engine) as ray:
            for row in track(_results(ray, job, partitions, missing), "Predicting", len(missing)):
                images, problems = images + row["images"], problems + row["problems"]
    said = [f"{problems} images could not be read; their rows say why"] if problems else []
    written = f"{partitions.folder}: {len(partitions)} partitions"
    return LoopResult(images - problems, said, 0.0, [written])


def _results(
    ray: Any, job: Job, partitions: Partitions, missing: list[int]
) -> Iterator[dict[str, Any]]:
    """The result of each partition, in the order in which they are finished."""
    from ray.exceptions import RayError

    nodes = [node["Resources"].get("CPU", 0) for node in ray.nodes() if node["Alive"]]
    cores = max(1, min(_ACTOR_CORES, int(min(nodes))))
    actors = max(1, sum(int(count) // cores for count in nodes))
    rows = [
        {
            "images": [str(path) for path in partitions.members(number)],
            "file": str(partitions.file(number).absolute()),
        }
        for number in missing
    ]
    data = ray.data.from_items(rows, override_num_blocks=len(rows)).map(
        PartitionPredictor,
        fn_constructor_args=(replace(job, cores=cores),),
        concurrency=min(actors, len(rows)),
        num_cpus=cores,
    )
    try:
        yield from data.iter_rows()
    except RayError as error:
        cause = getattr(error, "cause", None) or error
        raise VisusError(
            f"--engine: a worker failed: {str(cause).strip().splitlines()[-1]}; the partitions "
            "that were finished stay, and the same command continues"
        ) from error


def _check_answer(address: str) -> None:
    """Refuse an address at which nothing answers; Ray would try it for many minutes.

    Raises:
        OSError: If nothing answers.
        ValueError: If it is not a HOST:PORT.
    """
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal():
        raise ValueError("it names no port, such as ray://HOST:6379")
    with socket.create_connection((host, int(port)), _ANSWER):
        pass


@contextmanager
def _connected(engine: str) -> Iterator[Any]:
    """Ray, connected to a cluster or started on this machine, without its messages."""
    # Ray warns of arguments of actors that this process keeps until the end, and of machines
    # without a GPU.
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    import ray
    import ray.data

    address = engine.removeprefix("ray://") if engine != "ray" else None
    try:
        if address is not None:
            _check_answer(address)
        with without_native_messages():
            ray.init(
                address=address,
                include_dashboard=None if address else False,
                log_to_driver=False,
                logging_level=logging.ERROR,
            )
    except (ConnectionError, OSError, ValueError, RuntimeError) as error:
        raise VisusError(
            f"--engine {engine}: cannot be reached ({str(error).splitlines()[0]}); check the "
            "address, and that the same version of Ray runs there"
        ) from error
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    try:
        yield ray
    finally:
        ray.shutdown()
