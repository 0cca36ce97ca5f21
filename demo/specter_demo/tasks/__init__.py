"""The shop's queues: what checkout leaves to be done later, and who does it."""
