"""The calls beside the load, one request and its answer at a time, from where the load comes from.

`smoke` is the one before a measurement, `scrape` reads servers' own metrics around a window.
"""
