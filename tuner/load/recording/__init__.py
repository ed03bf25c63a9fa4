"""What is recorded of a window: a row a request, whether its answer was right, and what sending cost the sender."""
