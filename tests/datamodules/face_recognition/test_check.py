from pathlib import Path

import numpy as np
from PIL import Image
from skimage.data import astronaut

from tests.conftest import save_people
from visus.datamodules.face_recognition.data import PeopleData
from visus.datamodules.face_recognition.spec import FaceRecognitionDataSpec


def test_the_check_counts_people_and_faces(visus, workplace):
    save_people(workplace / "people", 3, 2)
    save_people(workplace / "people", 1, 1, first=7)
    code, out, err = visus("data", "check", "people", "--task", "face_recognition", "--aligned")
    assert code == 0, err
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in out.splitlines()]
    assert ["people", "4"] in rows and ["people with several images", "3"] in rows
    assert ["images with a face", "7"] in rows and "no problems" in out
    code, out, _ = visus("data", "check", "people", "--task", "face_recognition")
    assert code == 2 and "shows no face of 40 pixels" in out


def test_the_check_measures_faces(visus, workplace):
    for person in ("Ada", "Bob"):
        path = Path("people", person, "1.png")
        path.parent.mkdir(parents=True)
        Image.fromarray(astronaut()[: 500 - len(person + path.name) - ord(person[0])]).save(path)
    check = ["data", "check", "people", "--task", "face_recognition"]
    code, out, err = visus(*check)
    assert code == 0 and "faces of 8" in out and "median 8" in out, err
    code, out, _ = visus(*check, "--min-face", "400")
    assert code == 2 and "shows no face of 400 pixels" in out
    code, out, err = visus(
        "data", "check", "people", "--min-face", "50", "--task", "classification"
    )
    assert code == 2 and "--min-face belongs to face_recognition" in err


def test_the_data_module_is_checked_as_it_is_configured(tmp_path):
    save_people(tmp_path, 3, 2)
    spec = FaceRecognitionDataSpec()
    assert spec.data_modules() == (PeopleData,)
    assert spec.check_module(PeopleData(str(tmp_path), align=False)).problems == []
    assert len(spec.check_module(PeopleData(str(tmp_path))).problems) == 6


def test_people_are_not_recognised_by_themselves(tmp_path):
    assert FaceRecognitionDataSpec().recognise(save_people(tmp_path, 3, 2)) == ""


def test_the_sample_shows_twelve_people_with_faces(tmp_path):
    FaceRecognitionDataSpec().write_sample(tmp_path)
    assert len(list(tmp_path.glob("P*/*.jpg"))) == 24
    brightness = [np.asarray(Image.open(tmp_path / f"P{i}" / "0.jpg")).mean() for i in (0, 5, 11)]
    assert brightness[0] > brightness[1] > brightness[2]
    data = PeopleData(str(tmp_path), val_share=0.2, num_workers=0, skip_bad=True)
    detected = [i for split in ("train", "val") for i in data.images(split) if i.face is not None]
    assert len(detected) >= 20
