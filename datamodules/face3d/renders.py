"""Images of random heads, rendered from a face model, with the parameters as the truth."""

from dataclasses import dataclass

import cv2
import numpy as np
from numba import njit
from numpy.typing import NDArray

from visus.datamodules.face3d.heads import HeadParameters, RandomHeads, visible_triangles
from visus.datamodules.face3d.scenery import (
    draw_background,
    draw_hair,
    draw_occluders,
    simulate_camera,
)
from visus.datamodules.face3d.skin import Complexion, ComplexionSampler
from visus.models.face3d.face_model import FaceModel, five_points
from visus.models.face3d.renderer import interpolate, rasterise, surface_normals


@dataclass(frozen=True, eq=False)
class FaceTruth(HeadParameters):
    """The parameters of rendered faces, in the order of the images.

    Attributes:
        light: float32 (batch, 9, 3), see `shade`.
        skin: float32 (batch, 3): RGB of the skin, 0 to 1.
        landmarks: float32 (batch, 68, 2): (x, y) in pixels.
    """

    light: NDArray[np.float32]
    skin: NDArray[np.float32]
    landmarks: NDArray[np.float32]


class FaceRenderer:
    """Renders images of random faces.

    Args:
        model: The whole head, with the identity components and expressions to use.
        size: (height, width) of the images in pixels.
    """

    def __init__(self, model: FaceModel, size: tuple[int, int]) -> None:
        self.size = size
        self.model, vertices = model.trim(visible_triangles(model, size))
        self.heads = RandomHeads(self.model, size)
        self.complexions = ComplexionSampler(model).select(vertices)

    def __call__(self, seeds: list[int]) -> tuple[NDArray[np.uint8], FaceTruth]:
        """Render faces; equal seeds give equal pixels.

        Args:
            seeds: One for each image.

        Returns:
            uint8 RGB of shape (batch, height, width, 3), and the truth.
        """
        rngs = [np.random.default_rng(seed) for seed in seeds]
        vertices, parameters = self.heads(rngs)
        light = np.stack([_random_light(rng) for rng in rngs])
        complexions = [self.complexions(rng) for rng in rngs]
        images = self._render(vertices, light, complexions, rngs)
        skin = np.stack([complexion.skin for complexion in complexions])
        landmarks = vertices[:, self.model.landmarks, :2]
        return images, FaceTruth(**vars(parameters), light=light, skin=skin, landmarks=landmarks)

    def _render(
        self,
        vertices: NDArray[np.float32],
        light: NDArray[np.float32],
        complexions: list[Complexion],
        rngs: list[np.random.Generator],
    ) -> NDArray[np.uint8]:
        triangles, landmarks = self.model.triangles, self.model.landmarks
        raster = rasterise(vertices, triangles, self.size)
        albedo = np.stack([complexion.albedo for complexion in complexions])
        faces = interpolate(raster, triangles, albedo)
        # Triangles are about as large as pixels here: smoothed normals would look the same.
        faces *= shade(surface_normals(raster, triangles, vertices), light)
        covered = raster.covered.view(np.uint8)
        images = []
        for i, rng in enumerate(rngs):
            image = draw_background(rng, self.size)
            if rng.random() < 0.6:
                brow, chin = (
                    vertices[i, landmarks[19:25], :2].mean(0),
                    vertices[i, landmarks[8], :2],
                )
                radius = float(np.linalg.norm(chin - brow))
                x, y = brow + (brow - chin) * 0.05
                colour = complexions[i].hair * float(light[i, 0].mean())
                draw_hair(image, rng, colour, (float(x), float(y)), radius)
            cv2.copyTo(faces[i], covered[i], image)
            eyes = five_points(vertices[i, landmarks, :2])[:2]
            draw_occluders(image, rng, complexions[i].skin, eyes)
            images.append(simulate_camera(image, rng))
        return np.stack(images)


def shade(normals: NDArray[np.float32], light: NDArray[np.float32]) -> NDArray[np.float32]:
    """Irradiance of surfaces under distant light, by spherical harmonics of the second order.

    Ramamoorthi and Hanrahan 2001, "An Efficient Representation for Irradiance Environment Maps".

    Args:
        normals: Unit normals in the camera's coordinates, float32 (batch, height, width, 3).
        light: float32 (batch, 9, 3): for red, green and blue the coefficients of 1, x, y, z, x * y,
            x * z, y * z, x * x - y * y and 3 * z * z - 1 of the normal.

    Returns:
        float32 (batch, height, width, 3), at least 0.
    """
    irradiance = np.empty_like(normals)
    _shade(normals, np.ascontiguousarray(light, np.float32), irradiance)
    return irradiance


@njit(cache=True, nogil=True)
def _shade(normals, light, irradiance):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202
    batch, height, width, _ = normals.shape
    for b in range(batch):
        for row in range(height):
            for column in range(width):
                x = normals[b, row, column, 0]
                y = normals[b, row, column, 1]
                z = normals[b, row, column, 2]
                for n in range(3):
                    value = (
                        light[b, 0, n]
                        + light[b, 1, n] * x
                        + light[b, 2, n] * y
                        + light[b, 3, n] * z
                        + light[b, 4, n] * x * y
                        + light[b, 5, n] * x * z
                        + light[b, 6, n] * y * z
                        + light[b, 7, n] * (x * x - y * y)
                        + light[b, 8, n] * (np.float32(3) * z * z - np.float32(1))
                    )
                    irradiance[b, row, column, n] = max(np.float32(0), value)


def _random_light(rng: np.random.Generator) -> NDArray[np.float32]:
    """Ambient light and one to three lamps, mostly in front of the face; see `shade`."""
    total = np.zeros((9, 3), np.float32)
    total[0] = rng.uniform(0.35, 0.8) * rng.uniform(0.95, 1.05, 3)
    for _ in range(int(rng.integers(1, 4))):
        direction = rng.normal((0, 0.3, 0.7), (1, 0.7, 0.7))
        x, y, z = direction / np.linalg.norm(direction)
        strength = rng.uniform(0.1, 0.7) * rng.uniform(0.93, 1.07, 3)
        # The lit half of a sphere, max(0, cos), is about 1/4 + cos / 2 + 15/32 * (cos^2 - 1/3).
        quadratic = 15 / 32
        lamp = np.array(
            [
                0.25,
                0.5 * x,
                0.5 * y,
                0.5 * z,
                2 * quadratic * x * y,
                2 * quadratic * x * z,
                2 * quadratic * y * z,
                quadratic * (x * x - y * y) / 2,
                quadratic * (3 * z * z - 1) / 6,
            ]
        )
        total += lamp[:, None] * strength
    return total
