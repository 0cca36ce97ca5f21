"""Configurations of other detectors, turned into ours; what has no counterpart is said."""
