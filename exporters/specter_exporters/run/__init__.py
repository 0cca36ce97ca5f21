"""Watch jobs from where they run: the wrapper `specter run`, and hooks for Python, Celery and APScheduler."""
