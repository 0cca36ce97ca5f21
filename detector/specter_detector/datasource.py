"""What can go wrong when a data source is asked, sorted by what it means for the other queries."""

from specter_core.errors import SpecterError


class DatasourceError(SpecterError):
    """A query has no answer."""


class UnreachableError(DatasourceError):
    """The server cannot be reached, is starting, or is overloaded: the same query may work later.

    Attributes:
        retry_after: seconds that the server asked to be left alone; 0 where it did not say.
    """

    def __init__(self, message: str, retry_after: float = 0.0) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class RefusedError(DatasourceError):
    """The server answered that it will not run this query, or with what is no answer to it."""


class SlowError(DatasourceError):
    """The server did not answer this query in time, and does answer another."""


class TooLargeError(RefusedError):
    """The answer is larger than allowed, here or by the server; a part of it may not be."""


class BrokenError(RefusedError):
    """The server failed, or its answer broke off on the way: the same query may work later."""
