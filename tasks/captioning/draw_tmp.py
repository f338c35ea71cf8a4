def _draw_caption(image: Pixels, prediction: CaptionPrediction) -> Pixels:
    """The sentence on a strip at the bottom."""
    canvas = Image.fromarray(image)
    strip = caption_strip(prediction.caption, image.shape, 190)
    canvas.paste(strip, (0, image.shape[0] - strip.height), strip)
    return np.asarray(canvas)
