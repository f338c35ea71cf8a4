"""The HTTP server of `visus serve` and `visus live --serve`."""
