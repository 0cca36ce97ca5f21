"""A run that did not give a result, and why."""


class CheckError(Exception):
    """A check could not be completed.

    Attributes:
        reason: one of `metrics.SQL_CHECK_FAILURE_REASONS`.
        database: which database it was asked of.
        connected: whether the database had let the exporter in; None where it was not tried.
    """

    def __init__(self, reason: str, message: str, database: str, *, connected: bool | None = True) -> None:
        self.reason = reason
        self.database = database
        self.connected = connected
        super().__init__(message)
