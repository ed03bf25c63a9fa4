"""Seldon Core's own operator, compiled from its published module, beside a cluster of our own."""
