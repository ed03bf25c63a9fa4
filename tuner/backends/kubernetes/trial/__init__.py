"""One trial in the cluster: its objects, the anchor that owns them, the pods while they run, and the end of it all.

The load generator's Job is here too: it is held and cleaned up as an anchor is.
"""
