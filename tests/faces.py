"""Images of faces that can and cannot be recognised."""

import cv2
import numpy as np
import pytest
from PIL import Image
from skimage.data import astronaut


@pytest.fixture
def images(workplace):
    """Images of a face, of none, of two, and of faces that cannot be used."""
    face = np.ascontiguousarray(astronaut()[:300, 80:380])
    small = cv2.resize(face, (75, 75), interpolation=cv2.INTER_AREA)
    drawn = {
        "a.png": face,
        "lighter.png": (face * 0.7 + 60).astype(np.uint8),
        "none.png": np.full((200, 200, 3), 120, np.uint8),
        "black.png": np.zeros((200, 200, 3), np.uint8),
        "two.png": np.concatenate([face, face], axis=1),
        "small.png": cv2.copyMakeBorder(small, 60, 60, 60, 60, cv2.BORDER_REPLICATE),
        "ten.png": cv2.resize(face, (30, 30), interpolation=cv2.INTER_AREA),
        "blurred.png": cv2.GaussianBlur(face, (0, 0), 5),
        "over.png": np.ascontiguousarray(face[::-1]),
        "border.png": np.ascontiguousarray(face[:, :130]),
    }
    for name, image in drawn.items():
        Image.fromarray(image).save(name)
    turned = Image.fromarray(np.ascontiguousarray(np.rot90(face)))
    exif = turned.getexif()
    exif[0x0112] = 6
    turned.save("exif.jpg", exif=exif, quality=95)
    return workplace
