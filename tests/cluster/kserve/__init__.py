"""KServe's own controller, compiled from its published module, beside a cluster of our own."""
