"""How a server is hit: what is sent (`protocols`, `requests`, `wire`), when (`arrivals`), and by what (`engine`).

The engine runs in a process of its own (`python -m tuner.load`, driven by `local`), because a generator that shares
an interpreter with anything else measures that instead. What comes out is `Samples`, a row a request, and nothing
is computed from them here: that is `measure`'s work. `smoke` and `answers` are the control calls before a
measurement. Nothing here knows of backends, of trials or of studies, and only `smoke` imports httpx, lazily.
"""
