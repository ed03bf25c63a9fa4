"""What is recorded of a request: its row, what the server said of its own time, and whether its answer was right."""
