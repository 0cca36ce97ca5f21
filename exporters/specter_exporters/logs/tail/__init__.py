"""Following files that grow, rotate, vanish and come back."""
