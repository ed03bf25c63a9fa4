"""Argo Workflows on the test cluster: its own controller and executor, compiled from the published Go module."""
