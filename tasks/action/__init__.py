"""Action recognition: what happens in a clip."""
