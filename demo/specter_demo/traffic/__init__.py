"""Traffic of the demo shop: its seasonal shape, and the generator that follows it."""
