"""apps/export."""
