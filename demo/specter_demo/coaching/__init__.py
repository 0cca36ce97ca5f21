"""The demo's service with none of our code: what the launcher, the traffic and the history know of it."""
