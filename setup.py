"""Maps the folders of the repository to the sub-packages of `visus`."""

from pathlib import Path

from setuptools import setup

HERE = Path(__file__).parent
FOLDERS = ("vision", "models", "datamodules", "tasks", "apps", "configs")

packages = {"visus": "visus"}
for folder in FOLDERS:
    for file in sorted((HERE / folder).rglob("*")):
        # Folders of code, configurations and weights; some hold no Python file.
        if file.suffix in {".py", ".yaml", ".ckpt"} and "__pycache__" not in file.parts:
            path = file.parent.relative_to(HERE)
            packages[f"visus.{path.as_posix().replace('/', '.')}"] = path.as_posix()

setup(packages=list(packages), package_dir=packages)
