"""How a server is hit: what is sent (`protocols`, `requests`, `wire`), when (`arrivals`), and by what (`engine`).

The engine runs in a process of its own (`python -m tuner.load`), because a generator that shares an interpreter with
anything else measures that instead. `piped` speaks with it, in `lines`, over any `Pipe`: `local` is the one to a process
of this machine, others come from elsewhere. What comes out is `Samples`, a row a request, and nothing is computed from
them here: that is `measure`'s work. `smoke`, `exchange` and `answers` are the control calls before a measurement, `scrape`
reads servers' own metrics around a window; they come from where the load comes from. Nothing here knows of backends, of trials or of studies.
"""
