"""apps/inference."""
