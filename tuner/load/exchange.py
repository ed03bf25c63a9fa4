"""One request and its answer, outside of any window: the standard library's client, which the load image holds too."""

from __future__ import annotations

from tuner.load.model import Answer, Request, Unanswered


def exchange(url: str, request: Request, timeout_s: float) -> Answer:
    """Send a request over a connection of its own. Raises Unanswered; `timeout_s` is for each step of it."""
    import http.client  # slow to import, and the load engine must start fast
    from urllib.parse import urlsplit

    address = urlsplit(url)
    if address.scheme != "http" or not address.hostname:
        raise Unanswered(f"{url} is no URL of the form http://host:port")
    connection = http.client.HTTPConnection(address.hostname, address.port, timeout=timeout_s)
    try:
        connection.request(
            request.method, address.path + request.path, body=request.body, headers=dict(request.headers)
        )
        response = connection.getresponse()
        return Answer(status=response.status, body=response.read())
    except (OSError, http.client.HTTPException) as error:
        raise Unanswered(str(error) or type(error).__name__) from None
    finally:
        connection.close()
