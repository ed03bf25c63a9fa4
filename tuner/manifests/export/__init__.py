"""What is taken away of a study: the manifest that was measured, and what makes it of the one that was tuned.

Patches, a kustomization, a fragment of a chart's values and a diff: each built on the manifest as it stood gives the
objects that were measured. Pure: texts and objects in, texts out.
"""
