"""What survives a restart: the history of each query, what was learnt from it, and their folder.

Files and numpy only: no HTTP, no configuration, no clock.
"""
