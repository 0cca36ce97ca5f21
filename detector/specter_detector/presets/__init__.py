"""Ready sets of queries: what to watch of a kind of system, one declarative file each."""
