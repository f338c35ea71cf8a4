"""apps/live/serve."""
