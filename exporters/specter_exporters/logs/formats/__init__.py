"""What a line of a log is made of: one format a module."""
