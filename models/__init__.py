"""Networks in pure PyTorch; this package reads no file but weights."""
