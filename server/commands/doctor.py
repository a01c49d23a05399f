"""`backline doctor`: what this machine can do for low latency, in plain words, each with what to do about it."""

import argparse
import ctypes.util
import os
import platform
import shutil
import socket
from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError, packages_distributions, version
from importlib.util import find_spec
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from plugin_bridge.protocol import DEFAULT_PORT, RECEIVE_BUFFER
from server.audio.portaudio_devices import list_devices
from server.errors import BacklineError
from server.midi.ports import list_ports
from server.model_store import list_models, open_stream
from server.providers import cuda_problem
from server.realtime import FIFO_PRIORITY, IDLE_LIMIT
from server.step_pool import StepPool

Finding = tuple[str, str, str]
"""(good | note | bad, what was looked at, what was found)."""
PACKAGES = ("models", "server", "exporters", "plugin_bridge")
MARKS = {"good": "[green]good", "note": "[yellow]note", "bad": "[red]bad"}


def add(parser: argparse.ArgumentParser) -> None:
    """Describe the command."""


def main(arguments: argparse.Namespace) -> int:
    """Run the command; 1 where something is bad."""
    checks: tuple[Callable[[], Iterator[Finding]], ...] = (
        _machine,
        _names,
        _onnx_runtime,
        _models,
        _real_time,
        _ports,
        _jack,
        _portaudio,
        _midi,
        _training,
    )
    findings = [finding for check in checks for finding in check()]
    table = Table("", "looked at", "found", show_edge=False)
    for mark, subject, text in findings:
        table.add_row(MARKS[mark], escape(subject), escape(text))
    Console().print(table)
    return int(any(mark == "bad" for mark, _, _ in findings))


def _machine() -> Iterator[Finding]:
    yield (
        "good",
        "machine",
        f"{platform.platform()}, {os.cpu_count()} cores, Python {platform.python_version()}, backline {_version('backline')}",
    )
    if platform.system() != "Linux":
        yield "bad", "system", f"{platform.system()}: Backline runs on Linux first; nothing else is tested"


def _names() -> Iterator[Finding]:
    """Our package names are general: somebody else's `server` would be imported in our place."""
    owners = packages_distributions()
    for package in PACKAGES:
        others = sorted(set(owners.get(package, [])) - {"backline"})
        spec = find_spec(package)
        ours = (
            spec is not None and spec.origin is not None and Path(spec.origin).parents[1] == Path(__file__).parents[2]
        )
        if others or not ours:
            yield (
                "bad",
                f"name `{package}`",
                f"also installed by {', '.join(others) or spec}; install backline into an environment of its own",
            )
    if all(find_spec(package) for package in PACKAGES):
        yield "good", "names", f"{', '.join(PACKAGES)} are backline's"


def _onnx_runtime() -> Iterator[Finding]:
    builds = [name for name in ("onnxruntime", "onnxruntime-gpu") if _version(name) != "not installed"]
    if len(builds) == 2:
        yield (
            "bad",
            "ONNX Runtime",
            "onnxruntime and onnxruntime-gpu overwrite each other; uninstall both and install one extra, `cpu` or `gpu`",
        )
    elif not builds:
        yield "bad", "ONNX Runtime", "missing; install backline[cpu] or backline[gpu]"
    else:
        import onnxruntime

        compiled = ", ".join(name.removesuffix("ExecutionProvider") for name in onnxruntime.get_available_providers())
        yield (
            "good",
            "ONNX Runtime",
            f"{builds[0]} {onnxruntime.__version__}, built with {compiled} (what works shows when a model is loaded)",
        )
        problem = cuda_problem()
        yield "good", "CUDA", f"not used: {problem}" if problem else "works: each model runs where it is faster"


def _models() -> Iterator[Finding]:
    for name, found in list_models().items():
        if isinstance(found, BacklineError):
            yield "bad", f"model {name}", str(found)
            continue
        for settings in [{"direction": one} for one in found.manifest.directions] or [{}]:
            subject = " ".join(("model", name, *settings.values()))
            pool = StepPool()
            try:
                stream = open_stream(found, settings, 48_000, pool.stream())
            except BacklineError as error:
                yield "bad", subject, str(error)
                continue
            declared = f"{1000 * stream.declared / 48_000:.1f} ms declared at 48 kHz"
            yield "good", subject, f"loads; {declared}; runs on {pool.provider()}{_measured(pool)}"


def _measured(pool: StepPool) -> str:
    """Say what was measured where there was a choice."""
    why = [choice.why for choice in pool.choices.values() if choice.why.startswith("measured")]
    return f" ({'; '.join(why)})" if why else ""


def _real_time() -> Iterator[Finding]:
    scheduler = os.sched_getscheduler(0)
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(FIFO_PRIORITY))
        os.sched_setscheduler(0, scheduler, os.sched_param(0))
        yield "good", "real-time priority", f"SCHED_FIFO {FIFO_PRIORITY} is allowed"
    except OSError:
        yield "note", "real-time priority", (
            f"not allowed: engines run at normal priority and can be late under load; give your user `rtprio {FIFO_PRIORITY}` and "
            "`memlock unlimited` in /etc/security/limits.d/, then log in again")  # fmt: skip
    if os.access(IDLE_LIMIT, os.W_OK):
        yield "good", "idle cores", "are kept from deep sleep while a stream is open"
    else:
        yield "note", "idle cores", (
            f"may sleep deeply between two hops, and the next one then takes longer: let your user write {IDLE_LIMIT}, for example "
            "with the udev rule KERNEL==\"cpu_dma_latency\", GROUP=\"audio\", MODE=\"0660\"")  # fmt: skip
    paths = sorted(Path("/sys/devices/system/cpu").glob("cpu[0-9]*/cpufreq/scaling_governor"))
    governors = {path.read_text().strip() for path in paths}
    if governors - {"performance"}:
        yield (
            "note",
            "processor clock",
            f"governor is {', '.join(sorted(governors))}; `performance` avoids slow first blocks",
        )


def _ports() -> Iterator[Finding]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind(("127.0.0.1", DEFAULT_PORT))
            yield "good", "OSC port", f"{DEFAULT_PORT} is free"
        except OSError:
            yield (
                "note",
                "OSC port",
                f"{DEFAULT_PORT} is taken, perhaps by a running server; `backline serve --port` takes another",
            )
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
        granted = probe.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) // 2
        if granted < RECEIVE_BUFFER:
            yield (
                "note",
                "socket buffer",
                f"{granted} of {RECEIVE_BUFFER} bytes granted; `sysctl net.core.rmem_max={RECEIVE_BUFFER}` gives all",
            )


def _jack() -> Iterator[Finding]:
    if find_spec("jack") is None:
        yield "note", "JACK", "Python package JACK-Client is missing; install backline[jack] for audio and MIDI ports"
    elif ctypes.util.find_library("jack") is None:
        yield "note", "JACK", "libjack is missing; install jackd2 or PipeWire's JACK"
    else:
        server = shutil.which("jackd") or shutil.which("pw-jack") or "no jackd or pw-jack on the path"
        yield "good", "JACK", f"client library found; server: {server}"


def _portaudio() -> Iterator[Finding]:
    """The devices that `backline live --input` and `--output` know, each with its number."""
    if find_spec("sounddevice") is None:
        yield (
            "note",
            "audio devices",
            "Python package sounddevice is missing; install backline[portaudio] to play without JACK",
        )
        return
    try:
        devices = list_devices()
    except BacklineError as error:
        yield "note", "audio devices", str(error)
        return
    if not devices:
        yield "note", "audio devices", "PortAudio finds none; `backline live` plays files, and JACK where a server runs"
    for device in devices:
        ways = (
            f"{channels} {way} ({1000 * latency:.0f} ms{', the default' if default else ''})"
            for channels, way, latency, default in (
                (device.channels_in, "in", device.latency_in, device.is_default_in),
                (device.channels_out, "out", device.latency_out, device.is_default_out),
            )
            if channels
        )
        yield "good", f"audio device {device.number}", f"{device.title}: {', '.join(ways)}, {device.sample_rate} Hz"


def _midi() -> Iterator[Finding]:
    """The ports that `backline live --input midi:` and `--output midi:` know, each with its number."""
    try:
        ports = list_ports()
    except BacklineError as error:
        yield "note", "MIDI ports", str(error)
        return
    for way, names in (("in", ports.inputs), ("out", ports.outputs)):
        listed = ", ".join(f"{number} '{name}'" for number, name in enumerate(names)) or "none yet"
        yield "good", f"MIDI {way}", f"over {ports.system}: {listed}"


def _training() -> Iterator[Finding]:
    missing = [name for name in ("torch", "onnx", "librosa", "mir_eval") if find_spec(name) is None]
    yield (
        ("note", "training", f"not installed ({', '.join(missing)}); serving does not need it")
        if missing
        else ("good", "training", "installed")
    )


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"
