"""Weeks of the shop's past, simulated from the traffic's shape and latencies measured on this machine."""
