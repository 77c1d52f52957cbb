"""Celery application, tasks and the clock."""
