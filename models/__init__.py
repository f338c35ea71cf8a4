"""Networks in pure PyTorch; the only files read here are weights."""
