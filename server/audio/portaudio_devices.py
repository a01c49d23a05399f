"""Audio devices by name or number, as PortAudio sees them, and a rate that suits them. The library is loaded when needed."""

from dataclasses import dataclass
from typing import Any  # Any: objects of sounddevice, which has no types

from server.audio.file import check_rate
from server.errors import BacklineError
from server.quiet import quiet

DEFAULT = "default"
COMMON_RATES = (48_000, 44_100)


@dataclass(frozen=True, slots=True)
class Device:
    """One device. number: PortAudio's. system: who runs it, for instance ALSA. channels_in, channels_out: 0 for none that way.

    sample_rate: its own. latency_in, latency_out: what PortAudio says of it, in seconds, at the smallest buffers it likes.
    """

    number: int
    name: str
    system: str
    channels_in: int
    channels_out: int
    sample_rate: int
    latency_in: float
    latency_out: float
    is_default_in: bool = False
    is_default_out: bool = False

    @property
    def title(self) -> str:
        """Its name and its system: names alone may come twice."""
        return f"{self.name} ({self.system})"


def load_portaudio() -> Any:
    """Return the sounddevice module. Raises BacklineError: it or the library is missing."""
    try:
        with quiet():
            import sounddevice
    except ModuleNotFoundError as error:
        raise BacklineError(
            "audio devices need the Python package 'sounddevice'; install backline with the extra `portaudio`"
        ) from error
    except OSError as error:
        raise BacklineError("the PortAudio library is missing; install libportaudio2, or use `--input jack`") from error
    return sounddevice


def list_devices() -> list[Device]:
    """Return the devices there are. Raises BacklineError: no library."""
    sounddevice = load_portaudio()
    systems = sounddevice.query_hostapis()
    found = []
    for number, row in enumerate(sounddevice.query_devices()):
        system = systems[row["hostapi"]]
        found.append(
            Device(
                number, row["name"], system["name"].removesuffix(" Audio Connection Kit"),
                row["max_input_channels"], row["max_output_channels"], round(row["default_samplerate"]),
                max(0.0, row["default_low_input_latency"]), max(0.0, row["default_low_output_latency"]),
                number == sounddevice.default.device[0] or (sounddevice.default.device[0] < 0 and number == _first(systems, "input")),
                number == sounddevice.default.device[1] or (sounddevice.default.device[1] < 0 and number == _first(systems, "output")),
            )
        )  # fmt: skip
    return found


def _first(systems: Any, kind: str) -> int:
    """Return the default device of the first system that has one."""
    return next((s[f"default_{kind}_device"] for s in systems if s[f"default_{kind}_device"] >= 0), -1)


def find_device(word: str, devices: list[Device], kind: str) -> Device:
    """Return the device that `word` means: `default`, a number, a name, or a part of it that no other has.

    kind: input or output; a device that has none of it is none. Raises BacklineError with the devices there are.
    """
    able = [d for d in devices if (d.channels_in if kind == "input" else d.channels_out)]
    if word == DEFAULT:
        like = [d for d in able if (d.is_default_in if kind == "input" else d.is_default_out)] or able[:1]
    else:
        like = [d for d in able if word in (str(d.number), d.name, d.title)]
        like = like or [d for d in able if word.casefold() in d.title.casefold()]
    if len(like) == 1:
        return like[0]
    listed = ", ".join(f"{d.number} '{d.title}'" for d in able) or "none"
    problem = f"{len(like)} audio {kind}s are called '{word}'" if like else f"there is no audio {kind} '{word}'"
    raise BacklineError(f"{problem}; there are: {listed}")


def choose_rate(source: Device | None, sink: Device | None, wanted: int | None, channels: int = 1) -> int:
    """Return a rate at which both can run, their own before any other; the stream resamples to the model's.

    Raises BacklineError where there is none, or where they do not run at the `wanted` one.
    """
    sounddevice = load_portaudio()
    own = [device.sample_rate for device in (source, sink) if device is not None]
    refused: list[str] = []
    for rate in dict.fromkeys([check_rate(wanted)] if wanted else [*own, *COMMON_RATES]):
        try:
            with quiet():
                if source is not None:
                    sounddevice.check_input_settings(source.number, channels, "float32", samplerate=rate)
                if sink is not None:
                    sounddevice.check_output_settings(sink.number, None, "float32", samplerate=rate)
            return check_rate(rate)
        except sounddevice.PortAudioError as error:
            refused.append(f"{rate} Hz: {_reason(error)}")
    words = " and ".join(f"'{d.title}' ({d.sample_rate} Hz)" for d in (source, sink) if d is not None)
    raise BacklineError(f"no sample rate suits {words}; refused were {', '.join(refused)}")


def _reason(error: Exception) -> str:
    """Return PortAudio's own words without its numbers."""
    return str(error.args[0] if error.args else error).split(" [")[0].removeprefix("Error opening ")
