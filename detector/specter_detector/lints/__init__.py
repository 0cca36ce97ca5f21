"""What is allowed in a configuration and hardly ever meant: code, message and what to do."""
