"""How a server is hit: what is sent (`requests`, `templates`), when (`windows`, `arrivals`), and by what (`engine`).

The engine runs in a process of its own (`python -m tuner.load`), because a generator that shares an interpreter with
anything else measures that instead. `process` is the pipe to it, over which one is driven here or elsewhere, or several
at once. It sends over connections of `http1` or `grpc`, as one of `protocols` says, and writes down what comes of it
(`recording`). What comes out is `Samples`, a row a request, and nothing is computed from them here: that is `measure`'s
work. `control` holds the calls beside the load. Nothing here knows of backends, of trials or of studies.
"""
