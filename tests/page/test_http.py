"""The page over HTTP: what is served, to whom it is refused, and where it listens."""

import re
import socket
from pathlib import Path

import aiohttp
import pytest

FILES = Path(__file__).parents[2] / "server" / "page" / "files"


def test_a_browser_gets_the_page_and_a_program_the_address_space(page):
    for accept, kind in (("text/html,application/xhtml+xml", "text/html"), ("*/*", "application/json")):
        answer, body = page.ask("/", Accept=accept)
        assert (answer.status, answer.headers.get_content_type()) == (200, kind)
    assert b'"FULL_PATH": "/"' in body
    answer, body = page.ask("/?HOST_INFO", Accept="text/html")
    assert answer.headers.get_content_type() == "application/json"


@pytest.mark.parametrize("name", sorted(path.name for path in FILES.iterdir()))
def test_every_file_is_served_and_asks_for_nothing_from_elsewhere(page, name):
    answer, body = page.ask(f"/page/{name}")
    assert answer.status == 200
    assert body == (FILES / name).read_bytes()
    foreign = re.findall(rb"(?:https?:)?//[a-z][\w.-]+\.[a-z]{2,}[^\s\"']*", body)
    assert [found for found in foreign if b"www.w3.org/2000/svg" not in found] == []
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_the_files_are_small_and_all_there_is(page):
    assert sum(path.stat().st_size for path in FILES.iterdir()) < 100_000
    _, body = page.ask("/", Accept="text/html")
    linked = set(re.findall(r'(?:href|src)="/page/([^"]+)"', body.decode()))
    linked |= {name for path in FILES.glob("*.js") for name in re.findall(r'from "\./([^"]+)"', path.read_text())}
    assert linked | {"index.html"} == {path.name for path in FILES.iterdir()}


@pytest.mark.parametrize(
    "path",
    [
        "/page/../app.py", "/page/..%2fapp.py", "/page/%2e%2e/app.py", "/page/..%5capp.py", "/page//etc/passwd", "/page/%2fetc%2fpasswd",
        "/page/files/index.html", "/page/", "/page/index.html%00.css", "/../../etc/passwd", "/etc/passwd", "/page/page.py",
    ],
)  # fmt: skip
def test_nothing_else_is_served(page, path):
    answer, body = page.ask(path)
    assert answer.status in (400, 404)
    assert b"import" not in body
    assert b"root:" not in body


def test_only_reading_is_allowed(page):
    for method in ("POST", "PUT", "DELETE"):
        answer, _ = page.ask("/", method)
        assert answer.status == 405


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "evil.example:{port}"}, 403),
        ({"Host": "127.0.0.1.evil.example"}, 403),
        ({"Host": ""}, 403),
        ({"Host": "localhost:{port}"}, 200),
        ({"Host": "127.0.0.1:{port}", "Origin": "http://127.0.0.1:{port}"}, 200),
        ({"Host": "127.0.0.1:{port}", "Origin": "http://evil.example"}, 403),
        ({"Host": "127.0.0.1:{port}", "Origin": "http://127.0.0.1:1"}, 403),
        ({"Host": "127.0.0.1:{port}", "Origin": "null"}, 403),
    ],
    ids=str,
)
def test_web_sites_elsewhere_are_refused(page, headers, status):
    answer, body = page.ask(
        "/page/style.css", **{name: value.format(port=page.port) for name, value in headers.items()}
    )
    assert answer.status == status
    if status == 403:
        assert re.match(rb"(host|origin) is '.*'; allowed: ", body)


@pytest.mark.parametrize("path", ["/", "/page/live"])
def test_a_site_elsewhere_opens_no_socket(page, connect, path):
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        connect(path, headers={"Origin": "http://evil.example"})
    assert refused.value.status == 403
    connect(path, headers={"Origin": f"http://{page.host}"})


def test_sockets_are_limited_and_their_places_are_given_back(page, connect):
    many = [connect("/") for _ in range(16)]
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        connect("/")
    assert refused.value.status == 503
    many[0].run(many[0]._socket.close())
    many[1].send({"COMMAND": "LISTEN", "DATA": "/nowhere"})
    connect("/page/live")


def test_it_is_beside_the_command_port_unless_told_otherwise(start_server, find_page, own_port):
    with start_server("--port", str(own_port)) as server:
        assert find_page(server).port == own_port + 1
    with start_server("--page", str(own_port)) as server:
        assert find_page(server).port == own_port


def test_a_port_that_was_asked_for_and_is_taken_refuses_the_server(command_line):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        said = command_line("serve", "--port", "0", "--page", port)
    assert said.returncode == 2
    assert (
        said.stderr
        == f"backline: no page on 127.0.0.1 port {port}: Address already in use; choose another with --page (0: any)\n"
    )


def test_the_usual_port_taken_the_server_goes_on_without_a_page(start_server, own_port):
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", own_port + 1))
        taken.listen()
        with start_server("--port", str(own_port)) as server:
            assert server.client.request("/backline/sync", 1) == [1]
            assert server.process.stderr.readline() == (
                f"no page on 127.0.0.1 port {own_port + 1}: Address already in use; "
                "choose another with --page (0: any); serving without\n"
            )


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["--page", "65536"], "page is 65536; allowed: 0 to 65535"),
        (["--page", "0", "--no-page"], "--page and --no-page were both given; choose one"),
    ],
)
def test_a_page_that_cannot_be_is_refused(command_line, words, reason):
    said = command_line("serve", "--port", "0", *words)
    assert (said.returncode, said.stderr) == (2, f"backline: {reason}\n")


def test_without_a_page_nothing_listens_and_nothing_of_it_is_loaded(start_server):
    with start_server("--no-page") as server:
        assert server.client.request("/backline/sync", 1) == [1]
        loaded = Path(f"/proc/{server.process.pid}/maps").read_text()
        assert "aiohttp" not in loaded
        assert server.client.request("/backline/quit") == []
        server.process.wait(10)
        assert server.process.stdout.read() == ""
