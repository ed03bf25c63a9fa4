"""Trials on a Kubernetes cluster. The only room, with the manifest check, that imports the kubernetes client."""
