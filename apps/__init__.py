"""Command line, live applications and runtimes: everything that meets the user."""
