"""The story on screen: everything is set up, a fault is injected, and what notices it is timed."""
