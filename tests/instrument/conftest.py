"""A small player of the kind that is given notes and gives audio, with a spectrogram beside it: a chime of impulses."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from server.live_stream import LiveStream
from server.model_store import find_model, open_stream

RATE = 48_000
MODEL_RATE = 32_000


@pytest.fixture
def open_chime(chime_folder: Path) -> Callable[..., LiveStream]:
    """A function (rate=48000, **settings) -> a new stream of the chime."""

    def make(rate: int = RATE, **settings: str | float) -> LiveStream:
        return open_stream(find_model("chime", chime_folder), settings, rate)

    return make


@pytest.fixture(scope="module")
def chime_server(chime_folder: Path, start_server: Callable[..., AbstractContextManager[Any]]) -> Iterator[Any]:
    """A server that knows the chime."""
    with start_server("--models", str(chime_folder)) as running:
        yield running
