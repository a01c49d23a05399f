"""Who may ask: this machine's own pages and programs, and no web site that a browser on it has open.

A site elsewhere can make a browser send requests to 127.0.0.1. It cannot forge two headers: Origin, which names the site,
and Host, which names the server it believes to speak to (a name of its own that was made to lead here: DNS rebinding).
"""

import socket
from collections.abc import Iterator
from ipaddress import ip_address
from urllib.parse import urlsplit

from aiohttp import web

COOKIE = "backline_token"

HEADERS = {
    "Content-Security-Policy": "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}
"""Sent with every answer: nothing is loaded from elsewhere, and no other page frames this one."""


def refusal(host: str, origin: str | None) -> str | None:
    """Return why a request is refused, from its Host and Origin headers; None where it may pass."""
    name = urlsplit(f"//{host}").hostname or ""
    if not (name == "localhost" or _is_address(name) or name == socket.gethostname().lower()):
        return f"host is '{host:.80}'; allowed: an IP address, localhost or this machine's name"
    if origin is not None and origin.lower() not in (f"http://{host}".lower(), f"https://{host}".lower()):
        return f"origin is '{origin:.80}'; allowed: this server's own page"
    return None


def said_tokens(request: web.Request) -> Iterator[str]:
    """Yield what a request says as the token: as ?token=, in a header, or in the cookie that the page was given."""
    yield from request.query.getall("token", [])
    word, _, said = request.headers.get("Authorization", "").partition(" ")
    if word.lower() == "bearer":
        yield said.strip()
    if COOKIE in request.cookies:
        yield request.cookies[COOKIE]


def without_token(query: str) -> str:
    """Return a query with the token taken out: the rest is OSCQuery's."""
    return "&".join(part for part in query.split("&") if part and not part.startswith("token="))


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True
