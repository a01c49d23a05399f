"""Models and folders go by name over the wire: nothing that comes in reaches a file outside the folders that the server was given."""

import asyncio
import os
import shutil
from pathlib import Path
from urllib.parse import quote

import aiohttp
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models.model_parts import ModelFileError, check_inside
from plugin_bridge.client import BridgeClient, BridgeError
from server.errors import BacklineError
from server.keep import keep_folder
from server.model_store import check_name, list_models

FUZZ = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
OUTSIDE = (
    "../secret.onnx", "../secret", "..", ".", "./held", "held/../held", "held/", "/", "//", "/etc/passwd", "secret.onnx", "secret.ZIP",
    "..\\secret", "C:\\secret", "%2e%2e%2fsecret", "..%2fsecret", "held\n", "held.onnx", "~/secret", "~", "file:///etc/passwd",
    "\uff0e\uff0e/secret", "held\u202e", "x" * 101, "x" * 5000, "../" * 2000 + "etc/passwd", "",
)  # fmt: skip
PIECES = st.sampled_from(
    [
        "..",
        "/",
        "\\",
        ".",
        "~",
        "%2e",
        "%2f",
        "%00",
        "held",
        "secret",
        ".onnx",
        ".zip",
        "etc",
        "passwd",
        " ",
        "\t",
        "é",
        "$HOME",
    ]
)
NAMES = st.lists(PIECES, min_size=1, max_size=8).map("".join) | st.text(
    st.characters(codec="utf-8", exclude_characters="\0"), max_size=150
)


@pytest.fixture(scope="module")
def place(tmp_path_factory, held_folder) -> Path:
    """A folder of which two are the server's, models and takes; a model that nobody shall reach lies beside them."""
    folder = tmp_path_factory.mktemp("place")
    for name in ("models", "takes"):
        (folder / name).mkdir()
    shutil.copy(held_folder / "held.onnx", folder / "models" / "held.onnx")
    shutil.copy(held_folder / "held.onnx", folder / "secret.onnx")
    (folder / "models" / "link.onnx").symlink_to(folder / "secret.onnx")
    (folder / "models" / "far.onnx").symlink_to("/etc/passwd")
    (folder / "models" / "near.onnx").symlink_to("held.onnx")
    (folder / "models" / "circle.onnx").symlink_to("circle.onnx")
    (folder / "models" / "nothing.onnx").symlink_to(folder / "no such file")
    os.mkfifo(folder / "models" / "pipe.onnx")
    (folder / "secret").mkdir()
    (folder / "models" / "parts").mkdir()
    (folder / "models" / "parts" / "manifest.json").symlink_to(folder / "secret.onnx")
    (folder / "models" / "linked").symlink_to(folder / "secret")
    (folder / "secret" / "manifest.json").write_text("{}")
    (folder / "takes" / "out").symlink_to(folder / "secret")
    return folder


@pytest.fixture(scope="module")
def server(start_server, place):
    """A server of that place."""
    with start_server("--models", str(place / "models"), "--takes", str(place / "takes")) as running:
        running.page = running.process.stdout.readline().rstrip("/\n").rpartition("//")[2]
        yield running


def everything(place: Path) -> list[str]:
    """Return all that lies there."""
    return sorted(str(path) for path in place.rglob("*"))


@pytest.mark.parametrize("tcp", [False, True])
@pytest.mark.parametrize("name", OUTSIDE, ids=lambda name: f"{name[:20]!r}")
def test_a_model_is_a_name(server, name, tcp):
    client = BridgeClient(port=server.port, tcp=tcp)
    for command in (("/backline/model/load", name), ("/backline/stream/open", name, 48_000, "{}")):
        with pytest.raises(BridgeError, match=r"by name, never by path|there is no model") as refused:
            client.request(*command)
        assert "\n" not in str(refused.value)
        assert len(str(refused.value)) < 1000
    client.close()


@pytest.mark.parametrize(
    "name", [name for name in OUTSIDE if name] + ["out", "a/b", "a" * 101, "..."], ids=lambda name: f"{name[:20]!r}"
)
def test_a_folder_of_takes_is_a_name(server, place, name):
    before = everything(place)
    stream = server.client.open_stream("held", 48_000)
    if name in ("held.onnx", "secret.onnx", "secret.ZIP"):  # are folders' names as good as any
        name += "/"
    with pytest.raises(BridgeError, match=r"never a path|it is a link that leads elsewhere") as refused:
        server.client.request("/backline/stream/keep", stream.number, name)
    assert "\n" not in str(refused.value)
    stream.close()
    assert everything(place) == before


@FUZZ
@given(NAMES)
def test_whatever_the_name_nothing_outside_is_touched(server, place, name):
    before = everything(place)
    with pytest.raises(BridgeError):
        server.client.request("/backline/model/load", name + "/" if name == "held" else name)
    assert everything(place) == before


@FUZZ
@given(NAMES)
def test_a_folder_that_is_made_lies_among_the_takes(tmp_path, name):
    takes = tmp_path / "takes"
    takes.mkdir(exist_ok=True)
    try:
        made = keep_folder(takes, name)
    except BacklineError as error:
        assert "\n" not in str(error)  # noqa: PT017
    else:
        assert made.resolve().parent == takes.resolve() or (made == takes and name == "")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["takes"]


@given(NAMES)
def test_what_passes_as_a_name_is_one_part_of_a_path(name):
    try:
        check_name(name)
    except BacklineError:
        return
    assert Path("folder", name).parent == Path("folder")
    assert name.isprintable()


def test_links_that_lead_out_of_the_models_folder_are_not_followed(server, place):
    models = list_models(place / "models")
    for name in ("link", "far", "nothing", "parts", "linked"):
        if name in models:
            assert "is a link that leads out of" in str(models[name]), name
            with pytest.raises(BridgeError, match="is a link that leads out of"):
                server.client.request("/backline/model/load", name)
    assert {"link", "far", "parts", "linked"} <= set(models)
    assert "cannot read model file" in str(models["circle"])
    assert "is no file" in str(models["pipe"])
    assert not isinstance(models["near"], BacklineError), "a link to a model of the folder is one"
    assert server.client.request("/backline/sync", 1) == [1]


def test_a_part_that_leads_out_is_named(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.onnx").symlink_to("/etc/hostname")
    with pytest.raises(ModelFileError, match=r"a\.onnx is a link that leads out of"):
        check_inside(tmp_path / "in", tmp_path)


@pytest.mark.parametrize(
    "path", ["../app.py", "/etc/passwd", "a\0b", "....//app.py", "x" * 5000, "%252e%252e%252fapp.py", "index.html/.."]
)
def test_files_of_the_page_are_names(server, path):
    async def ask() -> tuple[int, bytes]:
        async with aiohttp.ClientSession() as session:
            url = f"http://{server.page}/page/{quote(path, safe='%')}"
            async with session.get(aiohttp.client.URL(url, encoded=True)) as answer:
                return answer.status, await answer.read()

    status, body = asyncio.run(ask())
    assert status in (400, 404)
    assert b"import" not in body
    assert b"root:" not in body


@pytest.mark.parametrize(
    "model", ["../secret", "/etc/passwd", "secret.onnx", "a\0b", "x" * 5000, 5, None, ["held"], {"a": 1}]
)
def test_a_page_starts_models_by_name(server, model):
    async def ask() -> dict[str, object]:
        async with aiohttp.ClientSession() as session, session.ws_connect(f"http://{server.page}/page/live") as page:
            await page.send_json({"number": 7, "do": "start", "with": ["take", model, {}]})
            while "answer" not in (message := await page.receive_json()):
                pass
            return message["answer"]

    answer = asyncio.run(ask())
    assert answer["number"] == 7
    assert "problem" in answer
    assert server.client.request("/backline/sync", 1) == [1]
