"""The calls beside the load, one request and its answer at a time: they come from where the load comes from."""
