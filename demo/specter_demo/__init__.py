"""A small shop, its traffic, its faults, and the story told on screen."""
