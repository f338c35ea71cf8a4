"""Self-contained HTML pages: a base template, figures, and a folder for each page."""
