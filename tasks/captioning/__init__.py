"""Image captioning: a sentence for an image."""
