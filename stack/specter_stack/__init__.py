"""Launcher that runs the real servers natively, without containers."""
