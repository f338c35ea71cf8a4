"""What a network computes on one image: layers, values, receptive fields, parts of its answer."""
