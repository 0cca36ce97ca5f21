"""Errors meant for the person who reads them."""


class SpecterError(Exception):
    """Base of every error Specter raises on purpose.

    The message says what was wrong, where (file, path, value) and what to do;
    command lines print it without a traceback and exit with `exit_code`.
    """

    exit_code = 1


class UsageError(SpecterError):
    """The call itself was wrong: a flag, a name, a combination."""

    exit_code = 2
