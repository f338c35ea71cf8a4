"""Search for better arguments of a training."""
