"""Jobs on a Ray cluster: the model and the files travel as bytes, so that the nodes need no folder in common.

    here: source's bytes -> a task on any node: temporary files, the same `do` -> the parts' bytes -> here: files

A task whose node dies is begun again on another one, by Ray. Every node needs Backline and ONNX Runtime in the versions that are here.
"""

import logging
import secrets
import shutil
import socket
import tempfile
from collections.abc import Generator, Iterable
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any  # Any: Ray's own handles

from server.batch.job import Outcome, Task, Work, do
from server.errors import BacklineError

FILES_AHEAD = 2  # a core's: one is worked on and one waits, so that no more lie in the nodes' memory
PATIENCE_SECONDS = 5.0  # for a cluster to be there, and for its nodes to clear up
PACKAGES = ("backline", "onnxruntime", "numpy")  # what a result depends on

Model = tuple[str, tuple[tuple[str, bytes], ...]]
"""A model's name, and its files: name in its folder ('' where it is one file) and bytes."""


def connect(address: str) -> Any:
    """Return the module `ray`, connected to the cluster at `address` (auto: the one this machine is part of). Raises BacklineError."""
    try:
        import ray
    except ModuleNotFoundError as error:
        raise BacklineError("--ray needs the Python package 'ray'; install backline with the extra `ray`") from error
    host, _, port = address.removeprefix("ray://").rpartition(":")
    try:
        if port.isdecimal():  # asked first, since Ray itself tries for minutes
            socket.create_connection((host, int(port)), PATIENCE_SECONDS).close()
        ray.init(address=address, log_to_driver=False, logging_level=logging.CRITICAL)
    except (ConnectionError, ValueError, RuntimeError, OSError, OverflowError, ImportError) as error:
        raise BacklineError(
            f"there is no Ray cluster at '{address}'; `ray start --head` makes one of this machine"
        ) from error
    return ray


def work_on_ray(ray: Any, work: Work, tasks: Iterable[Task]) -> Generator[tuple[Task, Outcome], None, None]:
    """Yield the tasks as they are done on the cluster that `ray` is connected to; when it is closed early, nobody works on."""
    remote = ray.remote(num_cpus=1, num_gpus=int(work.provider == "cuda"))(_do_elsewhere)
    model, versions, token = ray.put(_packed(Path(work.model))), _versions(), secrets.token_hex(8)
    nodes: set[str] = set()
    most = FILES_AHEAD * max(1, int(ray.cluster_resources().get("CPU", 1)))
    waiting: dict[Any, Task] = {}
    ahead = iter(tasks)
    try:
        while True:
            while len(waiting) < most and (task := next(ahead, None)) is not None:
                try:
                    data = task.job.source.read_bytes()
                except OSError as error:
                    yield task, Outcome(f"cannot read {task.job.source}: {error.strerror or error}")
                    continue
                suffixes = tuple(part.suffix for part in task.parts)
                waiting[remote.remote(model, work, task.job.source.name, data, suffixes, versions, token)] = task
            if not waiting:
                return
            done, _ = ray.wait(list(waiting))
            task = waiting.pop(done[0])
            outcome = _taken_home(ray, done[0], task)
            nodes |= {outcome.node} - {""}
            yield task, outcome
    finally:
        for one in waiting:
            ray.cancel(one, force=True)
        _clear_nodes(ray, token, nodes)
        ray.shutdown()


def _taken_home(ray: Any, result: Any, task: Task) -> Outcome:
    """Write what a task made into its parts."""
    try:
        outcome, parts = ray.get(result)
        for path, data in zip(task.parts, parts, strict=False):
            path.write_bytes(data)
    except ray.exceptions.RayError as error:
        reason = repr(getattr(error, "cause", None) or error).splitlines()[0]
        return Outcome(
            f"{task.job.source}: Ray could not work on it: {reason}; every node needs Backline as it is here"
        )
    except OSError as error:
        return Outcome(f"cannot write {task.job.outputs[0]}: {error.strerror or error}")
    return replace(outcome, problem=outcome.problem.replace(task.job.source.name, str(task.job.source)))


def _do_elsewhere(
    model: Model, work: Work, name: str, data: bytes, suffixes: tuple[str, ...], versions: dict[str, str], token: str
) -> tuple[Outcome, list[bytes]]:
    """Do a job on a node and return what it made: runs in a process of Ray's."""
    import ray

    node = ray.get_runtime_context().get_node_id()
    if (here := _versions()) != versions:
        return Outcome(f"{name}: a node has {here}, and the batch was started with {versions}", node=node), []
    place = _unpacked(model, token)
    with tempfile.TemporaryDirectory(dir=place.parent) as folder:  # so that it goes with it, should this be killed
        source = Path(folder) / name
        source.write_bytes(data)
        parts = tuple(Path(folder) / f"made{number}{suffix}" for number, suffix in enumerate(suffixes))
        there = replace(work, model=str(place))
        outcome = do(there, source, parts, {f"{folder}/": ""})
        return replace(outcome, node=node), [] if outcome.problem else [part.read_bytes() for part in parts]


def _packed(path: Path) -> Model:
    if path.is_dir():
        return path.name, tuple((part.name, part.read_bytes()) for part in sorted(path.iterdir()) if part.is_file())
    return path.name, (("", path.read_bytes()),)


def _unpacked(model: Model, token: str) -> Path:
    """Return the model in a folder of this node that all its processes share until the batch ends: it is loaded once, not once a file."""
    name, files = model
    folder = _folder(token)
    if not folder.exists():
        own = Path(tempfile.mkdtemp(prefix=f"{folder.name}-"))
        for part, data in files:
            path = own / name / part
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(data)
        try:
            own.rename(folder)
        except OSError:  # another process was there first
            shutil.rmtree(own)
    return folder / name


def _folder(token: str) -> Path:
    return Path(tempfile.gettempdir()) / f"backline-{token}"


def _clear(token: str) -> None:
    """Throw a node's copy of the model away: runs in a process of Ray's."""
    shutil.rmtree(_folder(token), ignore_errors=True)


def _clear_nodes(ray: Any, token: str, nodes: set[str]) -> None:
    """Do so on every node that worked and still lives."""
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    clear = ray.remote(num_cpus=0, max_retries=0)(_clear)
    clearing = [
        clear.options(scheduling_strategy=NodeAffinitySchedulingStrategy(node, soft=False)).remote(token)
        for node in nodes
    ]
    if clearing:
        ray.wait(clearing, num_returns=len(clearing), timeout=PATIENCE_SECONDS)


def _versions() -> dict[str, str]:
    found = {}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:  # backline from a folder, or onnxruntime-gpu
            found[package] = "-"
    return found
