"""Prometheus rules and Alertmanager routing generated from Python."""
