"""gRPC calls over HTTP/2, as bytes: a client of our own, since the usual ones are too slow to generate load.

One call at a time is on a connection. Messages are bytes here and nothing needs protobuf, which the load image does
not hold; what the bytes mean is known in `tuner.load.protocols`.
"""
