"""Video files: recognising, checking and decoding them."""
