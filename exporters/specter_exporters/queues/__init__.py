"""What waits in the queues of many brokers, since when, and who works on it."""
