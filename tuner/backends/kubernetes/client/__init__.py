"""The Kubernetes API as we use it: plain objects in and out, its refusals in words, watches, and streams into pods.

Nothing here knows what a trial or a workload is.
"""
