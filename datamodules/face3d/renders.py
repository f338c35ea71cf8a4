"""Images of random heads, rendered from a face model, each with all that it was made of."""

from dataclasses import dataclass

import cv2
import numpy as np
from numba import njit
from numpy.typing import NDArray

from visus.datamodules.face3d.heads import HeadParameters, RandomHeads, visible_triangles
from visus.datamodules.face3d.scenery import ground, hair_behind, occlude, photograph
from visus.datamodules.face3d.skin import Complexion, Skins
from visus.models.face3d.face_model import FaceModel, five_points
from visus.models.face3d.renderer import interpolate, rasterise, surface_normals


@dataclass(frozen=True, eq=False)
class FaceTruth(HeadParameters):
    """What images of faces were made of, in the order of the images.

    Attributes:
        light: float32 (batch, 9, 3), see `shade`.
        skin: float32 (batch, 3): RGB of the skin, 0 to 1.
        landmarks: float32 (batch, 68, 2): (x, y) in pixels.
    """

    light: NDArray[np.float32]
    skin: NDArray[np.float32]
    landmarks: NDArray[np.float32]


class FaceRenderer:
    """Makes images of random faces.

    Args:
        model: The whole head, with the identity components and expressions to be used.
        size: (height, width) of the images in pixels.
    """

    def __init__(self, model: FaceModel, size: tuple[int, int]) -> None:
        self.size = size
        self.model, kept = model.trim(visible_triangles(model, size))
        self.heads = RandomHeads(self.model, size)
        self.skins = Skins(model).choose(kept)

    def __call__(self, seeds: list[int]) -> tuple[NDArray[np.uint8], FaceTruth]:
        """Draw faces; equal seeds give equal pixels.

        Args:
            seeds: One for each image.

        Returns:
            uint8 RGB of shape (batch, height, width, 3), and what is in them.
        """
        rngs = [np.random.default_rng(seed) for seed in seeds]
        placed, pose = self.heads(rngs)
        light = np.stack([_random_light(rng) for rng in rngs])
        complexions = [self.skins(rng) for rng in rngs]
        images = self._draw(placed, light, complexions, rngs)
        skin = np.stack([complexion.skin for complexion in complexions])
        landmarks = placed[:, self.model.landmarks, :2]
        return images, FaceTruth(**vars(pose), light=light, skin=skin, landmarks=landmarks)

    def _draw(
        self,
        placed: NDArray[np.float32],
        light: NDArray[np.float32],
        complexions: list[Complexion],
        rngs: list[np.random.Generator],
    ) -> NDArray[np.uint8]:
        triangles, marks = self.model.triangles, self.model.landmarks
        raster = rasterise(placed, triangles, self.size)
        albedo = np.stack([complexion.albedo for complexion in complexions])
        faces = interpolate(raster, triangles, albedo)
        # Triangles are about as large as pixels here: smoothed normals would look the same.
        faces *= shade(surface_normals(raster, triangles, placed), light)
        covered = raster.covered.view(np.uint8)
        images = []
        for i, rng in enumerate(rngs):
            image = ground(rng, self.size)
            if rng.random() < 0.6:
                brow, chin = placed[i, marks[19:25], :2].mean(0), placed[i, marks[8], :2]
                reach = float(np.linalg.norm(chin - brow))
                middle = brow + (brow - chin) * 0.05
                bright = float(light[i, 0].mean())
                centre = (float(middle[0]), float(middle[1]))
                hair_behind(image, rng, complexions[i].hair * bright, centre, reach)
            cv2.copyTo(faces[i], covered[i], image)
            eyes = five_points(placed[i, marks, :2])[:2]
            occlude(image, rng, complexions[i].skin, eyes)
            images.append(photograph(image, rng))
        return np.stack(images)


def shade(normals: NDArray[np.float32], light: NDArray[np.float32]) -> NDArray[np.float32]:
    """How bright surfaces are, under light that comes from far away on all sides.

    Ramamoorthi and Hanrahan 2001, "An Efficient Representation for Irradiance Environment Maps".

    Args:
        normals: float32 (batch, height, width, 3) as seen by the camera, of length one.
        light: float32 (batch, 9, 3): for red, green and blue what goes with 1, x, y, z, x * y,
            x * z, y * z, x * x - y * y and 3 * z * z - 1 of the normal.

    Returns:
        float32 (batch, height, width, 3), at least 0.
    """
    bright = np.empty_like(normals)
    _shade(normals, np.ascontiguousarray(light, np.float32), bright)
    return bright


@njit(cache=True, nogil=True)
def _shade(normals, light, bright):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202
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
                    bright[b, row, column, n] = max(np.float32(0), value)


def _random_light(rng: np.random.Generator) -> NDArray[np.float32]:
    """Light from all around and one to three lamps, mostly before the face; see `shade`."""
    total = np.zeros((9, 3), np.float32)
    total[0] = rng.uniform(0.35, 0.8) * rng.uniform(0.95, 1.05, 3)
    for _ in range(int(rng.integers(1, 4))):
        direction = rng.normal((0, 0.3, 0.7), (1, 0.7, 0.7))
        x, y, z = direction / np.linalg.norm(direction)
        strength = rng.uniform(0.1, 0.7) * rng.uniform(0.93, 1.07, 3)
        # The lit half of a sphere, max(0, cos), as 1/4 + cos / 2 + 15/32 * (cos^2 - 1/3).
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
