"""apps/live/sources."""
