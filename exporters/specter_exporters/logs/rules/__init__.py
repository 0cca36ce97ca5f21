"""What entries are counted as: one kind of metrics a module."""
