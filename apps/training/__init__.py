"""apps/training."""
