"""A backbone of the user's choice in every configuration."""

import inspect
from pydoc import locate

import pytest
from torch import nn

from tests.conftest import newest_metrics
from visus.apps.training.cli import VisusCLI
from visus.apps.training.run import _set_import_rules
from visus.configs import config_names, find_config
from visus.models.backbones import StagedBackbone, register_backbone, registry
from visus.tasks.registry import task_spec

SMALL = ("--trainer.max_epochs", "1", "--trainer.limit_train_batches", "2")


@pytest.fixture
def tinynet(monkeypatch):
    """A user's own backbone with maps of every stride."""
    monkeypatch.setattr(registry, "_REGISTRY", dict(registry._REGISTRY))

    @register_backbone
    def tinynet(in_channels=3, image_size=None, width=4):
        def block(before, after):
            return nn.Sequential(nn.Conv2d(before, after, 3, 2, 1), nn.ReLU())

        def head(features, classes, dropout):
            return nn.Sequential(nn.Flatten(), nn.Dropout(dropout), nn.Linear(features, classes))

        widths = tuple(width * 2**i for i in range(5))
        pairs = zip((in_channels, *widths), widths, strict=False)
        stages = [block(before, after) for before, after in pairs]
        strides, size = (2, 4, 8, 16, 32), image_size or (64, 64)
        return StagedBackbone("tinynet", stages, widths, strides, head, in_channels, size, "he")

    return tinynet


class ParsedOnly(VisusCLI):
    """Parses the configuration and the command line, without building the model and the data."""

    def instantiate_classes(self):
        model = self.config.model
        self.task_class = locate(model.class_path)
        self.model_arguments = model.init_args.as_dict()


def parsed(config, *arguments):
    _set_import_rules(False)
    command = ["--config", str(find_config(config)), *arguments]
    text = find_config(config).read_text()
    data = locate(text.split("class_path: ")[2].split()[0])
    root = inspect.signature(data).parameters.get("root")
    if root is not None and root.default is inspect.Parameter.empty:
        command += ["--data.root", "anywhere"]
    return ParsedOnly("fit", command, "test", None)


def data_info(spec):
    """The properties that a data module of tiny images would have."""
    values = {
        "image_size": (64, 64),
        "class_names": ("<pad>", "<begin>", "<end>", "<unknown>", "cat"),
        "in_channels": 3,
        "resize_mode": "stretch",
        "class_counts": (1,) * 5,
        "max_words": 4,
        "people_count": 3,
        "face_model": "procedural",
        "components": 4,
        "expressions": ("jawOpen",),
        "frames": 4,
        "seconds": 1.0,
    }
    known = inspect.signature(spec.data_info).parameters
    return spec.data_info(**{key: value for key, value in values.items() if key in known})


@pytest.mark.filterwarnings("ignore:LightningCLI's args parameter")
@pytest.mark.parametrize("name", ["tinynet", "tinynet_a"])
@pytest.mark.parametrize("config", config_names())
def test_every_configuration_takes_another_backbone(tinynet, config, name, capsys):
    cli = parsed(config, "--model.backbone", name, "--model.pretrained", "false")
    arguments = cli.model_arguments
    assert arguments["backbone"] == name
    printed = capsys.readouterr().err
    options = "backbone_options" in find_config(config).read_text()
    assert ("takes no option" in printed and "left out" in printed) == (
        options and not (config.endswith(("cifar10", "npz", "action/scenes")) and name == "tinynet")
    )
    if arguments.get("architecture") == "dlib_resnet":
        # This architecture has no backbone.
        return
    if arguments.get("architecture") == "deeplabv3plus" and name == "tinynet":
        arguments["architecture"] = "unet"
    task = cli.task_class(**{**arguments, "data_info": data_info(task_spec(cli.task_class.task))})
    assert sum(p.numel() for p in task.backbone.parameters()) > 0


def test_options_of_the_configuration_are_left_out_and_printed(tinynet, visus):
    code, _, err = visus(
        "fit", "--config", "classification/digits", "--model.backbone", "tinynet", *SMALL
    )
    assert code == 0, err
    assert "takes no option activation, init, which the configuration sets for another" in err
    assert newest_metrics()


def test_a_single_option_is_merged_with_those_of_the_configuration(tinynet, visus):
    arguments = ("--model.backbone", "tinynet", "--model.backbone_options.width", "8")
    code, _, err = visus("fit", "--config", "classification/digits", *arguments, *SMALL)
    assert code == 0, err
    assert "takes no option activation, init" in err and "width" not in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("--model.backbone_options", "{widht: 4}"),
            "'tinynet' takes no option 'widht'; it takes w",
        ),
        (("--model.backbone_options.widht", "4"), "'tinynet' takes no option 'widht'; it takes w"),
    ],
)
def test_a_wrong_option_is_one_line(tinynet, visus, arguments, message):
    code, _, err = visus(
        "fit",
        "--config",
        "classification/digits",
        "--model.backbone",
        "tinynet",
        *arguments,
        *SMALL,
    )
    assert code == 2 and message in err
    last = err.strip().splitlines()[-1]
    assert message in last and "Traceback" not in err


@pytest.mark.parametrize("name", ["vit_tiny_patch16_224", "lenet5"])
def test_networks_of_a_fixed_size_train_on_smaller_images(visus, photos, name):
    size = ("--data.image_size", "[96,96]", "--data.train_scale", "0.7")
    choice = ("--model.backbone", name, "--model.pretrained", "false")
    config = ("--config", "classification/custom", "--data", "photos")
    code, _, err = visus("fit", *config, *choice, *size, "--trainer.max_epochs", "1")
    assert code == 0, err
    code, _, err = visus("test", "latest")
    assert code == 0, err


def test_a_network_of_a_fixed_size_that_cannot_shrink_is_refused_in_one_line(visus, photos):
    size = ("--data.image_size", "[96,96]", "--data.train_scale", "0.7")
    choice = ("--model.backbone", "pit_ti_224", "--model.pretrained", "false")
    config = ("--config", "classification/custom", "--data", "photos")
    code, _, err = visus("fit", *config, *choice, *size, "--trainer.max_epochs", "1")
    assert code == 2 and "Traceback" not in err
    assert "cannot take 64 x 64; train at the full size (data.train_scale 1" in err
