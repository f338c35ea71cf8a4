"""The files of `deploy/`: linted, and consistent with what the program offers."""

import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parent.parent
DEPLOY = ROOT / "deploy"
FIXED = {"/models/model.onnx", "/etc/visus/model.onnx", "/etc/visus/site.yaml"}


def dockerfile():
    """The instructions of the Dockerfile in order: name and value, lines joined."""
    text = (DEPLOY / "Dockerfile").read_text()
    lines = re.sub(r"^#.*\n", "", text, flags=re.M).replace("\\\n", " ").splitlines()
    return [tuple(line.split(None, 1)) for line in lines if line.strip()]


def test_the_image_runs_without_rights_and_serves_what_its_probe_asks():
    instructions = dockerfile()
    stages = [value for name, value in instructions if name == "FROM"]
    assert len(stages) == 2 and stages[0].endswith(" AS build")
    last = instructions[max(i for i, (name, _) in enumerate(instructions) if name == "FROM") :]
    values = dict(last)
    assert values["USER"] == "10001" and values["EXPOSE"] == "8080"
    assert "127.0.0.1:8080/health" in values["HEALTHCHECK"]
    assert yaml.safe_load(values["ENTRYPOINT"]) == ["visus"]
    assert yaml.safe_load(values["CMD"])[-2:] == ["--port", "0.0.0.0:8080"]
    # What is installed exists as an extra of the package.
    extras = re.search(r"/src\[([\w,]+)\]", str(instructions)).group(1).split(",")
    text = (ROOT / "pyproject.toml").read_text()
    assert all(re.search(rf"^{name} = \[", text, re.M) for name in extras)


@pytest.mark.parametrize("place", ["image", "compose", "kubernetes", "systemd"])
def test_the_commands_are_those_of_the_program(place, workplace, capsys):
    if place == "image":
        words = yaml.safe_load(dict(dockerfile())["CMD"])
    elif place == "compose":
        words = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]["serve"][
            "command"
        ]
    elif place == "kubernetes":
        words = containers()[0]["args"]
    else:
        unit = (DEPLOY / "visus-camera.service").read_text()
        words = shlex.split(re.search(r"^ExecStart=(.*)$", unit, re.M).group(1))[1:]
    from visus.apps.cli import main

    code = main([word.replace("/var/lib/visus", "saved") for word in words])
    problem = capsys.readouterr().err
    # The model is not there; everything before is in order.
    assert code == 2 and any(path in problem for path in FIXED), problem


def containers():
    documents = list(yaml.safe_load_all((DEPLOY / "kubernetes.yaml").read_text()))
    assert [each["kind"] for each in documents] == ["Deployment", "Service"]
    return documents[0]["spec"]["template"]["spec"]["containers"]


def test_the_manifest_probes_paths_that_need_no_token():
    from visus.apps.live.serve.security import _PROBES

    (container,) = containers()
    for name in ("startupProbe", "livenessProbe", "readinessProbe"):
        assert container[name]["httpGet"]["path"] in _PROBES
    assert container["securityContext"]["runAsNonRoot"]
    assert container["securityContext"]["readOnlyRootFilesystem"]
    deployment, service = yaml.safe_load_all((DEPLOY / "kubernetes.yaml").read_text())
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    assert service["spec"]["selector"] == labels == deployment["spec"]["selector"]["matchLabels"]


def composed():
    return yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]["serve"]


def test_compose_writes_nothing_and_needs_a_token():
    service = composed()
    assert service["read_only"] and service["cap_drop"] == ["ALL"]
    assert service["environment"]["VISUS_TOKEN"].startswith("${VISUS_TOKEN:?")
    assert (
        ROOT / "deploy" / service["build"]["context"] / service["build"]["dockerfile"]
    ).is_file()
    assert all(port.startswith("127.0.0.1:") for port in service["ports"])


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd")
def test_the_unit_is_valid(tmp_path):
    text = (DEPLOY / "visus-camera.service").read_text()
    unit = tmp_path / "visus-camera.service"
    unit.write_text(text.replace("/opt/visus/bin/visus", shutil.which("true")))
    done = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True)
    assert done.returncode == 0 and not done.stderr.strip(), done.stderr


def has_engine():
    docker = shutil.which("docker")
    return docker and not subprocess.run([docker, "info"], capture_output=True).returncode


@pytest.mark.skipif("VISUS_SOAK" not in os.environ, reason="part of `make soak`")
def test_the_image_is_built():
    if not has_engine():
        pytest.skip("needs a container engine")
    command = ["docker", "build", "-f", DEPLOY / "Dockerfile", "-t", "visus-test", ROOT]
    subprocess.run(command, check=True)
    done = subprocess.run(
        ["docker", "run", "--rm", "--read-only", "--tmpfs", "/tmp", "visus-test", "--version"],
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0 and "visus" in done.stdout, done.stderr


@pytest.mark.parametrize("name", ["train.sbatch", "train_torchrun.sh"])
def test_the_scripts_of_training_are_those_of_the_documentation(name):
    script = DEPLOY / name
    subprocess.run(["sh", "-n", script], check=True)
    text = script.read_text()
    assert "visus fit --data photos" in text
    documented = (ROOT / "docs" / "scale.md").read_text()
    assert f"deploy/{name}" in documented
    for option in re.findall(r" (--(?!data)[a-z][a-z-]+)", text.partition("exec")[2]):
        assert option in documented
