"""The detector's pages and its JSON API: what is going on, why, and what other settings would have said."""
