"""Where frames go: files, a window."""
