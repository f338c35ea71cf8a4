from visus.models.backbones.classifier import create_classifier
from visus.models.backbones.summary import summarise


def test_summary_of_lenet5_is_that_of_the_paper():
    network, _ = create_classifier("lenet5", 10, 1)
    layers = {layer.name: layer for layer in summarise(network, (1, 32, 32))}
    first, second = layers["body.0.0"], layers["body.1.0"]
    assert first.output == (6, 28, 28) and first.formula == "(32 + 2*0 - 5)/1 + 1 = 28"
    assert first.parameters == 156 and first.multiply_adds == 6 * 28 * 28 * 25
    assert second.receptive_field == 14 and layers["body.1.2"].receptive_field == 16
    assert layers["head.1"].receptive_field is None
    assert sum(layer.parameters for layer in layers.values()) == 61706


def test_summary_of_googlenet_is_that_of_torchvision():
    network, _ = create_classifier("googlenet", 1000, 3)
    layers = summarise(network, (3, 224, 224))
    # torchvision's documentation of GoogLeNet_Weights: 6,624,904 parameters and 1.5 GFLOPS.
    assert sum(layer.parameters for layer in layers) == 6_624_904
    assert round(sum(layer.multiply_adds for layer in layers) / 1e9, 2) == 1.5
    outputs = {layer.name: layer.output for layer in layers}
    assert outputs["body.4.2.branch1.conv"] == (384, 7, 7) and outputs["head.0"] == (1024, 1, 1)


def test_receptive_field_follows_the_main_path_of_residual_blocks():
    network, _ = create_classifier("resnet18", 10, 3, image_size=(64, 64))
    layers = {layer.name: layer for layer in summarise(network, (3, 64, 64))}
    # Araujo et al. (2019) give 435 pixels for the last convolution of ResNet-18.
    assert layers["body.layer4.1.conv2"].receptive_field == 435


def test_formulas_are_true_where_padding_adapts():
    network, _ = create_classifier("tf_efficientnet_lite0", 10, 3, image_size=(224, 224))
    layers = summarise(network, (3, 224, 224))
    assert layers[0].formula == "adaptive padding: ceil(224/2) = 112"
    for layer in layers:
        if layer.formula.startswith("("):
            left, right = layer.formula.split(" = ")
            assert int(eval(left)) == int(right)
