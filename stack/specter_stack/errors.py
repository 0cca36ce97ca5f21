"""What can go wrong while servers are started and stopped."""

from specter_core.errors import SpecterError


class StackError(SpecterError):
    """The stack cannot be started or reached; the message says which part and what to do."""
