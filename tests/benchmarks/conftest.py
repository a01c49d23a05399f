"""What several tests of benchmarks need: the native client, compiled."""

from pathlib import Path

import pytest

from benchmarks.native.build import BuildError, build


@pytest.fixture(scope="session")
def program() -> Path:
    """The program that plays streams; without a compiler the test is skipped."""
    try:
        return build("stream_client")
    except BuildError as error:
        pytest.skip(str(error))
