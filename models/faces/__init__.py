"""Networks that find faces.."""
