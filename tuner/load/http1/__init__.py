"""HTTP/1.1 as the engine speaks it: connections to a replica, the bytes on them, and streams of events."""
