"""What the suite `app` is made of: one exporter a module."""
