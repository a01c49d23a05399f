"""The page's port, bound before anything heavy is loaded, so that a port in use is known at once."""

from socket import AF_INET, SO_REUSEADDR, SOCK_STREAM, SOL_SOCKET, socket

from server.errors import BacklineError


def bind(host: str, port: int) -> socket:
    """Return a TCP socket at the address. Raises BacklineError where it is taken or not allowed."""
    connection = socket(AF_INET, SOCK_STREAM)
    try:
        connection.setsockopt(SOL_SOCKET, SO_REUSEADDR, 1)
        connection.bind((host, port))
    except (OSError, OverflowError) as error:
        connection.close()
        reason = getattr(error, "strerror", None) or error
        raise BacklineError(f"no page on {host} port {port}: {reason}; choose another with --page (0: any)") from error
    connection.setblocking(False)
    return connection
