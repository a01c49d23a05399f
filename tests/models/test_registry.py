"""From a decoder's name to a processor."""

import subprocess
import sys
from dataclasses import replace

import pytest

from models.manifest import ManifestError
from models.model_file import read_manifest
from models.registry import BUNDLED, DECODERS, bundled_files, open_processor

PROBE = bundled_files()["probe"]


class Untouched:
    def initial_state(self):
        return {}


def test_every_decoder_is_there():
    for name, place in DECODERS.items():
        module, attribute = place.split(":")
        assert module == f"models.{name}.processor"
        assert hasattr(__import__(module, fromlist=[attribute]), attribute)


def test_an_unknown_decoder_is_refused_with_those_there_are():
    with pytest.raises(ManifestError, match="decoder is 'oracle'; allowed: probe, transcriber"):
        open_processor(replace(read_manifest(PROBE), decoder="oracle"), {"step": Untouched()}, {})


def test_only_files_that_exist_are_bundled():
    files = bundled_files()
    assert set(files) <= set(BUNDLED)
    assert all(path.exists() for path in files.values())


def test_the_core_and_its_players_are_imported_without_torch_or_onnx_runtime():
    modules = [place.split(":")[0] for place in DECODERS.values()]
    heavy = {"torch", "onnx", "onnxruntime"}
    code = f"import sys, models.registry, {', '.join(modules)}; print(*({heavy} & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == ""
