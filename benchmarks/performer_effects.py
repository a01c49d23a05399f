"""What does each expression parameter of the performer do to its sound? Measured in the sound, instrument by instrument.

    backline bench performer_effects

A note is played as `backline run` plays it, with one thing asked for at a time and all else as it stands; what is asked for by the
velocity, CC1 or CC11 comes as MIDI, the rest as parameters, as far as the manifest has them. level_db: mean power of the steady note
beside the note as it stands. above_2khz_db: share of the power above 2 kHz, beside the same. pitch_cents: standard
deviation of the pitch that `models.performer.pitch_track` finds. after_key_db: level 0.2 s after the key, beside the steady note.
range_db: velocity 120 beside velocity 20.
"""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.command import Options, run
from benchmarks.record import Row
from models.events import ControlChange, Event, NoteOff, NoteOn
from models.manifest import Parameter
from models.performer.pitch_track import track_pitch
from server.model_store import Model, find_model, open_stream
from server.run_file import long_silence, run_stream

NAME, SECONDS = "performer_effects", 1.5
LEAD, REST = 0.2, 0.6  # seconds before and after the note
STEADY_FROM, STEADY_TO = 0.5, 0.05  # seconds after its onset, and before its end
AFTER, AROUND = 0.2, 0.05  # seconds after the key, and on both sides of that
ABOVE_HZ = 2000
PITCHES, PITCH, VELOCITY = {"cello": 57}, 69, 80  # A4, but of an instrument that is low
MIDI: dict[str, tuple[int, ...]] = {
    "velocity": (20, 40, 60, 80, 100, 120),
    "CC1": (0, 32, 64, 127),
    "CC11": (127, 96, 64, 32, 0),
}
CONTROLLERS = {"CC1": 1, "CC11": 11}
VALUES: dict[str, tuple[float, ...]] = {
    "dynamics": (-1, -0.5, 0.5, 1),
    "brightness": (-6, -3, 3, 6),
    "vibrato": (0, 1, 2, 4),
    "room": (0, 0.5, 1, 2),
}
TOLD = {
    "brightness": "above_2khz_db",
    "vibrato": "pitch_cents",
    "CC1": "pitch_cents",
    "room": "after_key_db",
    "range": "range_db",
}
"""Which measure a parameter is judged by, where it is not the level."""
TITLES = {
    "level_db": "level, dB",
    "above_2khz_db": "share above 2 kHz, dB",
    "pitch_cents": "deviation of the pitch, cents",
    "after_key_db": "0.2 s after the key, dB",
    "range_db": "velocity 20 to 120, dB",
}
NOT_EXPRESSION = ("gain_db", "transpose")


@dataclass(frozen=True, slots=True)
class Asked:
    """One thing asked for: by a setting of the stream, or by velocity and controllers."""

    name: str
    value: float
    settings: dict[str, float | str]
    velocity: int = VELOCITY
    controls: tuple[tuple[int, int], ...] = ()


def asked_for(parameters: Sequence[Parameter]) -> Iterator[Asked]:
    """Yield everything that is asked for: what every player takes, then the parameters that change while it plays."""
    for name, values in MIDI.items():
        for value in values:
            if name in CONTROLLERS:
                yield Asked(name, value, {}, controls=((CONTROLLERS[name], value),))
            else:
                yield Asked(name, value, {}, velocity=value)
    for parameter in parameters:
        if parameter.fixed or parameter.choices or parameter.name in NOT_EXPRESSION:
            continue
        for number in VALUES.get(parameter.name) or _spread(parameter):
            yield Asked(parameter.name, number, {parameter.name: number})


def measure(options: Options, name: str = "performer") -> list[Row]:
    """Return a row for every instrument and everything asked for. Raises BacklineError."""
    model, rows = find_model(name, options.models), []
    for instrument in model.manifest.parameter("instrument").choices:
        plain = heard(model, options, instrument, Asked("", 0, {}))
        for asked in asked_for(model.manifest.parameters):
            found = heard(model, options, instrument, asked)
            row = {key: found[key] - (plain[key] if key in ("level_db", "above_2khz_db") else 0) for key in found}
            if TOLD.get(asked.name) == "range_db":
                soft, hard = (
                    heard(model, options, instrument, Asked(asked.name, asked.value, asked.settings, velocity))
                    for velocity in (20, 120)
                )
                row["range_db"] = hard["level_db"] - soft["level_db"]
            case: Row = {"case": f"{instrument}, {asked.name} {asked.value:g}"}
            rows.append(case | {key: round(value, 2) for key, value in row.items()})
    return rows


def heard(model: Model, options: Options, instrument: str, asked: Asked) -> dict[str, float]:
    """Play a note as asked for; return its figures, level and share not beside anything."""
    rate, pitch = model.manifest.sample_rate, PITCHES.get(instrument, PITCH)
    length = max(1.0, options.seconds)
    onset, offset = LEAD, LEAD + length
    events: tuple[Event, ...] = (
        *(ControlChange(0, *control) for control in asked.controls),
        NoteOn(round(onset * rate), pitch, asked.velocity),
        NoteOff(round(offset * rate), pitch),
    )
    stream = open_stream(model, {"instrument": instrument, **asked.settings}, rate, options.provider)
    audio = run_stream(stream, long_silence(round((offset + REST) * rate)), events).audio[0].astype(np.float64)
    steady = audio[round((onset + STEADY_FROM) * rate) : round((offset - STEADY_TO) * rate)]
    after = audio[round((offset + AFTER - AROUND) * rate) : round((offset + AFTER + AROUND) * rate)]
    power = np.abs(np.fft.rfft(steady * np.hanning(len(steady)))) ** 2
    above = np.fft.rfftfreq(len(steady), 1 / rate) > ABOVE_HZ
    notes = np.array([(onset + STEADY_FROM, offset - STEADY_TO, pitch, asked.velocity)], np.float64)
    points = 100 * track_pitch(audio, rate, notes)[:, 2]
    figures = {
        "level_db": _decibels(np.mean(steady**2)),
        "above_2khz_db": _decibels(power[above].sum()) - _decibels(power.sum()),
        "after_key_db": _decibels(np.mean(after**2)) - _decibels(np.mean(steady**2)),
    }
    return figures | ({"pitch_cents": float(points.std())} if len(points) else {})


def markdown(rows: Sequence[Row]) -> str:
    """Return a line for every parameter, a column for every instrument: the measure that it is judged by."""
    found: dict[str, dict[str, list[Row]]] = {}  # parameter -> instrument -> rows
    for row in rows:
        instrument, asked = row["case"].split(", ")
        found.setdefault(asked.split()[0], {}).setdefault(instrument, []).append(row)
    instruments = list(dict.fromkeys(row["case"].split(", ")[0] for row in rows))
    lines = [f"| asked for | measure | {' | '.join(instruments)} |", "|---|---|" + "---:|" * len(instruments)]
    for name, played in found.items():
        told = TOLD.get(name, "level_db")
        values = " / ".join(row["case"].split()[-1] for row in next(iter(played.values())))
        cells = [" / ".join(f"{row[told]:.1f}" if told in row else "" for row in played[who]) for who in instruments]
        lines.append(f"| `{name}` {values} | {TITLES[told]} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main(words: Sequence[str] | None = None) -> int:
    """Run the command line: --model is ours, the rest is every benchmark's; --seconds is the note's length."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--model", default="performer", metavar="MODEL")
    chosen, rest = parser.parse_known_args(words)
    rows: list[Row] = []

    def kept(options: Options) -> list[Row]:
        rows.extend(measure(options, chosen.model))
        return rows

    code = run(NAME, kept, SECONDS, words=rest)
    if code == 0:
        print(f"\n{markdown(rows)}")
    return code


def _spread(parameter: Parameter) -> tuple[float, ...]:
    """Return the ends of a parameter's range, what it is by itself, and what lies half way between."""
    least, most, own = (float(value) for value in (parameter.minimum, parameter.maximum, parameter.default))  # type: ignore[arg-type]
    return tuple(dict.fromkeys((least, (least + own) / 2, own, (own + most) / 2, most)))


def _decibels(power: float) -> float:
    return float(10 * np.log10(power + 1e-20))


if __name__ == "__main__":
    raise SystemExit(main())
