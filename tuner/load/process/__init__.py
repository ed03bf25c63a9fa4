"""The engine behind a pipe: `python -m tuner.load --serve`, here (`local`) or elsewhere, one or several a window."""
