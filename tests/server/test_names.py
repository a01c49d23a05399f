"""The folders' general names belong to Backline alone, and the running server is light."""

import importlib.metadata
import importlib.util
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from hatchling.builders.wheel import WheelBuilder

ROOT = Path(__file__).parents[2]
NAMES = ("models", "exporters", "plugin_bridge", "server")


@pytest.mark.parametrize("name", NAMES)
def test_a_package_name_leads_to_this_tree_and_nowhere_else(name):
    spec = importlib.util.find_spec(name)
    assert spec is not None
    assert spec.origin is not None, f"{name} has no __init__.py"
    assert Path(spec.origin).parent == ROOT / name


def test_no_other_distribution_installs_a_package_of_our_names():
    owners = importlib.metadata.packages_distributions()
    for name in NAMES:
        assert set(owners.get(name, ["backline"])) == {"backline"}, f"'{name}' is also installed by {owners[name]}"


@pytest.mark.parametrize("name", NAMES)
def test_a_package_says_that_it_is_typed(name):
    assert (ROOT / name / "py.typed").is_file()


def test_the_wheel_lists_its_packages_by_hand_and_ships_no_tests():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"] == list(NAMES)


def test_neither_runtime_is_pulled_unless_it_is_asked_for():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    pullers = {extra for extra, needs in extras.items() if any(need.startswith("onnxruntime") for need in needs)}
    assert pullers == {"cpu", "gpu"}
    assert not any(need.startswith(("onnxruntime", "torch")) for need in project["dependencies"])


def test_tests_have_no_packages_of_their_own():
    assert not list((ROOT / "tests").rglob("__init__.py"))


def test_the_path_of_a_stream_imports_no_torch():
    code = "import sys, server.live_stream, server.onnx_step; print('torch' in sys.modules, 'onnx' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.split() == ["False", "False"]


def test_the_wheel_ships_a_model_that_is_a_folder(tmp_path, mirror_folder):
    for name in ("pyproject.toml", ".gitignore"):
        shutil.copy(ROOT / name, tmp_path)
    shutil.copytree(mirror_folder / "mirror", tmp_path / "models" / "mirror" / "mirror")
    shipped = {file.distribution_path for file in WheelBuilder(str(tmp_path)).recurse_included_files()}
    wanted = {path.name for path in (mirror_folder / "mirror").iterdir()}
    assert {f"models/mirror/mirror/{name}" for name in wanted} <= shipped
