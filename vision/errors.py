"""The exception for bad input."""


class VisusError(Exception):
    """Bad input from the user, described in one line.

    The message names the bad value, its location (file and line, or key) and the remedy. The
    command line prints it without a traceback and exits with code 2.
    """
