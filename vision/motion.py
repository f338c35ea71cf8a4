"""The motion of a box between detections: a Kalman filter for any frame rate."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

_MEASURED = 0.06
"""Standard deviation of a detected centre, in sizes of the box (the root of its area)."""

_ACCELERATION = 0.6
"""Spectral density of the acceleration, in sizes per second^1.5."""

_FIRST_VELOCITY = 2.5
"""Standard deviation of the velocity of a new box, in sizes per second."""

_SIZE_GAIN = 0.5
"""Weight of a new measurement in the box's width and height, 0 to 1."""

_WHOLE_AREA = 0.9
"""A box with a smaller fraction of its earlier area is partly hidden."""

_AREA_SECONDS = 2.0
"""Time constant with which an earlier, larger area is forgotten."""

Vector = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class _State:
    """The estimate at one time.

    Attributes:
        time: In seconds.
        centre: (x, y) in pixels.
        velocity: (x, y) in pixels per second.
        size: (width, height) in pixels.
        variances: Of the centre, of centre and velocity, and of the velocity; equal for x and y.
    """

    time: float
    centre: Vector
    velocity: Vector
    size: Vector
    variances: tuple[float, float, float]


class BoxMotion:
    """Estimates position and velocity of a box from its detections.

    The centre moves with a constant velocity that is disturbed by white noise in time, so that the
    estimates are the same at every frame rate. While an object moves behind another one, its
    visible part shrinks and its centre seems to slow down; so predictions of `hidden` start from
    the last box that was not cut off.

    Args:
        box: The first detection, (x1, y1, x2, y2) in pixels.
        time: Its time in seconds.
    """

    def __init__(self, box: NDArray[np.floating], time: float) -> None:
        centre, size = _centre_and_size(box)
        scale = _scale(size)
        variances = ((_MEASURED * scale) ** 2, 0.0, (_FIRST_VELOCITY * scale) ** 2)
        self._state = self._whole = _State(time, centre, np.zeros(2), size, variances)
        self._area = float(size.prod())

    @property
    def time(self) -> float:
        """Time of the last detection in seconds."""
        return self._state.time

    def update(self, box: NDArray[np.floating], time: float, noise: float = 1.0) -> None:
        """Include a detection.

        Args:
            box: (x1, y1, x2, y2) in pixels.
            time: Its time in seconds, later than that of the last one.
            noise: Factor of the measurement's standard deviation.
        """
        centre, size = _centre_and_size(box)
        elapsed = time - self._state.time
        predicted = _advance(self._state, time)
        xx, xv, vv = predicted.variances
        total = xx + (noise * _MEASURED * _scale(size)) ** 2
        error = centre - predicted.centre
        self._state = _State(
            time,
            predicted.centre + xx / total * error,
            predicted.velocity + xv / total * error,
            predicted.size + _SIZE_GAIN * (size - predicted.size),
            (xx - xx * xx / total, xv - xx * xv / total, vv - xv * xv / total),
        )
        area = float(size.prod())
        self._area = max(area, self._area * float(np.exp(-elapsed / _AREA_SECONDS)))
        if area >= _WHOLE_AREA * self._area:
            self._whole = self._state

    def predict(self, time: float, hidden: bool = False) -> tuple[Vector, float]:
        """The box at a time, and how uncertain its position is.

        Args:
            time: In seconds, not before the last detection.
            hidden: Whether the object is not detected at present.

        Returns:
            (x1, y1, x2, y2) in pixels, and the standard deviation of x and y in pixels.
        """
        state = _advance(self._whole if hidden else self._state, time)
        corners = np.concatenate([state.centre - state.size / 2, state.centre + state.size / 2])
        return corners, float(np.sqrt(state.variances[0]))


def _advance(state: _State, time: float) -> _State:
    """The estimate at a later time, with the noise that was added since."""
    elapsed = time - state.time
    xx, xv, vv = state.variances
    density = (_ACCELERATION * _scale(state.size)) ** 2
    variances = (
        xx + 2 * elapsed * xv + elapsed**2 * vv + density * elapsed**3 / 3,
        xv + elapsed * vv + density * elapsed**2 / 2,
        vv + density * elapsed,
    )
    centre = state.centre + elapsed * state.velocity
    return replace(state, time=time, centre=centre, variances=variances)


def _centre_and_size(box: NDArray[np.floating]) -> tuple[Vector, Vector]:
    corners = box.astype(np.float64)
    return (corners[:2] + corners[2:]) / 2, corners[2:] - corners[:2]


def _scale(size: Vector) -> float:
    """The root of the area in pixels, at least one."""
    return float(max(1.0, np.sqrt(size.prod())))
