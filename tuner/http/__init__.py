"""HTTP/1.1 answers as bytes, read within bounds of size and time, whoever asked: a probe, a control call, the load.

Nothing here knows what is asked for or why. A server may be broken or hostile: whatever it sends, reading ends.
"""
