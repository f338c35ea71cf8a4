"""apps/live/sinks."""
