"""Training, validation and testing by Lightning's CLI."""
