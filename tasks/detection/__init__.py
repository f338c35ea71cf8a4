"""tasks/detection."""
