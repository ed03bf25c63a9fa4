"""One container as local processes: what is started, on which ports, what it writes and uses, what really runs."""
