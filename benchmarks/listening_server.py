"""The listening page over HTTP, for this machine alone: files of a folder, and ratings that are written beside them."""

import json
import sys
from functools import partial
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

HOST = "127.0.0.1"
RATINGS = "ratings.jsonl"
MOST_BYTES = 1_000_000  # of one listener's ratings


class Server(ThreadingHTTPServer):
    """A server of a folder; port 0 is a free one. A context manager."""

    daemon_threads = True

    def __init__(self, folder: Path, port: int = 0) -> None:
        super().__init__((HOST, port), partial(_Answer, directory=str(folder)))
        self.url = f"http://{HOST}:{self.server_address[1]}/"
        self.hosts = [f"{name}:{self.server_address[1]}" for name in (HOST, "localhost")]

    def handle_error(self, request: Any, client_address: Any) -> None:  # Any: as socketserver has it
        """Say what went wrong, but for a browser that hung up."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class _Answer(SimpleHTTPRequestHandler):
    def do_GET(self) -> None:
        if self._is_ours():
            super().do_GET()

    def do_POST(self) -> None:
        """Append one JSON object with `ratings` to RATINGS."""
        if not self._is_ours():
            return
        if self.path != "/ratings":
            self.send_error(HTTPStatus.NOT_FOUND)
            return
        if self.headers.get_content_type() != "application/json":  # a foreign page could not send this unasked
            self.send_error(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "ratings are application/json")
            return
        said = self.headers.get("Content-Length", "")
        if not said.isdecimal() or int(said) > MOST_BYTES:
            self.send_error(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"Content-Length is '{said}'; allowed: to {MOST_BYTES}"
            )
            return
        try:
            given = json.loads(self.rfile.read(int(said)))
            if not isinstance(given, dict) or not isinstance(given.get("ratings"), list):
                raise ValueError("no list of ratings")
        except (ValueError, RecursionError):
            self.send_error(HTTPStatus.BAD_REQUEST, "ratings are a JSON object with a list 'ratings'")
            return
        try:
            with (Path(self.directory) / RATINGS).open("a", encoding="utf-8") as file:
                file.write(json.dumps(given) + "\n")
        except OSError as error:
            print(f"cannot write {RATINGS}: {error.strerror or error}", file=sys.stderr)
            self.send_error(HTTPStatus.INSUFFICIENT_STORAGE)
            return
        self.send_response(HTTPStatus.NO_CONTENT)
        self.end_headers()

    def list_directory(self, path: Any) -> None:
        """Show no folders."""
        self.send_error(HTTPStatus.NOT_FOUND)

    def end_headers(self) -> None:
        """Let no browser keep an older page."""
        self.send_header("Cache-Control", "no-cache")
        super().end_headers()

    def log_message(self, format: str, *arguments: Any) -> None:
        """Say nothing."""

    def _is_ours(self) -> bool:
        """Refuse whoever came by another name: a foreign site that had its name point here."""
        assert isinstance(self.server, Server)
        if self.headers.get("Host") in self.server.hosts:
            return True
        self.send_error(HTTPStatus.FORBIDDEN, "ask by 127.0.0.1")
        return False


def serve(folder: Path, port: int) -> None:
    """Serve a folder until Ctrl-C."""
    with Server(folder, port) as server:
        print(f"listen at {server.url} (Ctrl-C ends it); ratings go to {folder / RATINGS}", flush=True)
        server.serve_forever()
