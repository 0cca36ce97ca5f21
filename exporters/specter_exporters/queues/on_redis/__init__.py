"""Queues that live in a Redis server, in the key layouts of those who put them there."""
