"""The one exception that means: the input is at fault, and here is what to do."""


class VisusError(Exception):
    """Bad input from the user, told in one line.

    The message names the bad value, its place (file and line, or key) and the remedy. The command
    line prints it without a traceback and exits with code 2.
    """
