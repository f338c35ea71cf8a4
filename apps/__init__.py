"""Command line, training, live applications, exporters and runtimes."""
