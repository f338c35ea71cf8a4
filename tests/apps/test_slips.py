"""Likely slips on the command line, each answered in one line that names the remedy."""

import shutil
from pathlib import Path

import pytest

from tests.conftest import save_scene

FIXTURES = Path(__file__).parent.parent / "fixtures"

SLIPS = [
    ("infer imagenet cat.jpg", "unknown command 'infer'; here it is visus predict"),
    ("train", "unknown command 'train'; here it is visus fit"),
    ("predcit", "unknown command 'predcit'; did you mean predict?; see visus --help"),
    ("fit --epochs 3", "unknown option --epochs; here it is --trainer.max_epochs"),
    ("fit --root photos", "unknown option --root; here it is --data"),
    ("fit --imgsz 320", "unknown option --imgsz; here it is --data.image_size"),
    ("fit --ckpt_path last.ckpt", "unknown option --ckpt_path; here it is --resume"),
    ("fit --ckpt-path last.ckpt", "unknown option --ckpt-path; here it is --resume"),
    (
        "predict m.onnx cat.jpg --conf 0.5",
        "unknown option --conf; here it is --threshold; see visus predict --help",
    ),
    (
        "live m.onnx 0 --conf_thres 0.5",
        "unknown option --conf_thres; here it is --threshold; see visus live --help",
    ),
    (
        "predict m.onnx cat.jpg --imgsz 320",
        "unknown option --imgsz; the input size belongs to the model and is set when it is "
        "trained, by visus fit --data.image_size; see visus predict --help",
    ),
    (
        "predict m.onnx cat.jpg --min_fac 20",
        "unknown option --min_fac; did you mean --min-face?; see visus predict --help",
    ),
    (
        "predict latset cat.jpg",
        "model 'latset': there is no such file, run folder or name; did you mean latest?",
    ),
    (
        "predict cat.jpg imagenet",
        "'cat.jpg' is not a model; the model comes first, then the source: "
        "visus predict imagenet cat.jpg",
    ),
    (
        "predict photos latest",
        "'photos' is not a model; the model comes first, then the source: "
        "visus predict latest photos",
    ),
    (
        "live 0 m.onnx",
        "'0' is not a model; the model comes first, then the source: visus live m.onnx 0",
    ),
    (
        "predict cat.jpg dog.jpg",
        "'cat.jpg' is not a model; the model comes first, then the source: "
        "visus predict MODEL cat.jpg",
    ),
    (
        "predict m.onnx a.jpg b.jpg c.jpg",
        "3 sources, where one is expected: the shell expanded a pattern; quote it, "
        '"*.jpg", or name the folder, .',
    ),
    (
        "predict m.onnx photos/a.jpg photos/b.png --jsonl -",
        "2 sources, where one is expected: the shell expanded a pattern; quote it, "
        '"photos/*", or name the folder, photos',
    ),
    ("predict m.onnx cat.jpg please", "unexpected 'please': one source is expected"),
    (
        r"predict m.onnx C:\photos\cat.jpg",
        r"source 'C:\photos\cat.jpg': is a Windows path, and this is another system; "
        "write it with slashes, such as /mnt/c/photos/cat.jpg in WSL",
    ),
    (
        r"predict m.onnx photos\cat.jpg",
        r"source 'photos\cat.jpg': is a Windows path, and this is another system; "
        "write it with slashes, such as photos/cat.jpg",
    ),
    (
        r"predict m.onnx C:\photos\*.jpg",
        r"source 'C:\photos\*.jpg': is a Windows path, and this is another system; "
        "write it with slashes, such as /mnt/c/photos/*.jpg in WSL",
    ),
    (
        "predict C:/runs/m.onnx cat.jpg",
        "model 'C:/runs/m.onnx': is a Windows path, and this is another system; "
        "write it with slashes, such as /mnt/c/runs/m.onnx in WSL",
    ),
    (
        "predict m.onnx cat.jpg --draw out.jpg",
        "--draw out.jpg: writes one file for each image into a folder; name a folder, "
        "such as --draw out",
    ),
    (
        "predict m.onnx cat.jpg --jsonl out.csv",
        "--jsonl out.csv: each line of the file is a JSON object; call it .jsonl, and read it by "
        "pandas.read_json(FILE, lines=True)",
    ),
    (
        "predict m.onnx videos",
        "source 'videos': the folder holds no image, but videos; give them one by one, such as "
        "videos/clip.mp4",
    ),
    (
        "predict m.onnx videos/*.mp4",
        "source 'videos/*.mp4': matches no image; give videos one by one",
    ),
    (
        "predict m.onnx cat.jpg --explain why/out.png",
        "--explain why/out.png: writes one file for each image into a folder; name a folder, "
        "such as --explain why/out",
    ),
    (
        "predict yolov8n.pt cat.jpg",
        "model 'yolov8n.pt': visus runs no models of other libraries, whose files hold program "
        "code; visus predict coco IMAGE finds objects at once, and visus fit --data FOLDER trains "
        "on YOLO, COCO and VOC data sets as they are",
    ),
    (
        "predict m.onnx clip.mp4 --every 2",
        "argument --every: '2' is not a duration; write a number and a unit, such as 2s; "
        "see visus predict --help",
    ),
    (
        "predict latest cat.jpg --device cuda:0",
        "unknown option --device; a checkpoint runs on the first GPU of CUDA_VISIBLE_DEVICES, "
        "otherwise on the CPU; --runtime chooses the runtime of an exported file; "
        "see visus predict --help",
    ),
    (
        "predict latest cat.jpg --beam 3",
        "--beam belongs to captioning; 'latest' is a detection model",
    ),
    (
        "live latest cat.jpg --gallery people.db --jsonl -",
        "--gallery belongs to face_recognition; 'latest' is a detection model",
    ),
    (
        "predict latest cat.jpg --min_face 20",
        "--min-face belongs to face_recognition; 'latest' is a detection model",
    ),
    (
        "predict latest cat.jpg --min-face 20",
        "--min-face belongs to face_recognition; 'latest' is a detection model",
    ),
]


@pytest.mark.parametrize(("command", "message"), SLIPS)
def test_slips_are_answered_in_one_line(visus, workplace, command, message):
    save_scene(workplace / "cat.jpg", 1)
    save_scene(workplace / "photos" / "a.jpg", 1)
    (workplace / "videos").mkdir()
    (workplace / "videos" / "clip.mp4").touch()
    run = workplace / "runs" / "detection" / "scenes" / "1"
    run.mkdir(parents=True)
    shutil.copy(FIXTURES / "format1" / "detection.ckpt", run / "best.ckpt")
    code, out, err = visus(*command.split())
    assert (code, out, err) == (2, "", f"visus: {message}\n")


def test_names_with_backslashes_work_where_a_file_is_called_so(visus, workplace, model):
    save_scene(workplace / r"C:\photos\cat.png", 1)
    code, out, err = visus("predict", model[0], r"C:\photos\cat.png", "--draw", "drawn")
    assert code == 0 and out.startswith(r"C:\photos\cat.png: "), err
    assert len(list(Path("drawn").iterdir())) == 1


def test_a_folder_of_images_may_be_called_as_a_model(visus, workplace, model):
    save_scene(workplace / "imagenet" / "a.png", 1)
    code, out, err = visus("predict", model[0], "imagenet")
    assert code == 0 and "a.png: " in out, err


def test_the_help_groups_options_by_task(visus, capsys):
    for command in ("predict", "live"):
        with pytest.raises(SystemExit):
            visus(command, "--help")
        out = capsys.readouterr().out
        heading, option = out.index("\nface recognition:"), out.index("\n  --gallery FILE")
        assert 0 < out.index("\n  --runtime") < heading < option
    assert "--beam" not in out
