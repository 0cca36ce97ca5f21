"""Scheduled jobs: what ran, when, for how long, and what should have run and did not."""
