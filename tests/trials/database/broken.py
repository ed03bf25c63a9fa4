"""What happens to sessions of a database: its administrator, a failover or a network ends them."""

from __future__ import annotations

import threading


def cut_sessions(url: str, stop: threading.Event, every_s: float = 0.05) -> None:
    """End all sessions of tuners again and again, in the middle of whatever they do."""
    import psycopg

    with psycopg.connect(url, autocommit=True) as session:
        while not stop.wait(every_s):
            session.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'tuner'")
