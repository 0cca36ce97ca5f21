"""Checks of data in SQL databases: integrity, business numbers, synchronisation."""
