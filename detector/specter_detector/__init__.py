"""Sidecar that learns each series' season through PromQL and writes an anomaly score back."""
