"""The engine behind a pipe: `python -m tuner.load --serve`, here (`local`), elsewhere, or several of them for one window."""
