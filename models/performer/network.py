"""The performer network: what is said of each voice in; the partials, the noise and the spectrum of a frame out.

    voices -> ContourNet (a recurrent unit a voice, one for all) -> levels of partials and noise -> spectrum of power
           -> room (power that rings on, band by band) -> TextureNet (multi-band residual blocks) -> correction in dB

`power` hears whole sequences (training), `step` one hop with its state (live), with the same weights and the same result.
Levels are such that a sinusoid of amplitude 1 is 0 dB at its peak. Not here: phases, which are `models.phase`'s.
"""

from __future__ import annotations

import json
import math
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.layers.checkpoint import read_card
from models.layers.recurrence import PitchwiseRecurrence
from models.performer.config import CONTROLS, FEATURES, INSTRUMENTS, REFERENCE_RANGE, PerformerConfig
from models.performer.curves import hann_lobe, hats, place_of, read
from models.performer.score import RING_SECONDS
from models.performer.texture import MultiBandBlock

LOBE = 4  # bins either side of a partial
FLOOR = 1e-10  # of power, -100 dB
DECIBEL = math.log(10) / 10
LEVEL_RANGE = 127 / 100 * REFERENCE_RANGE  # dB between velocities 0 and 127, before what is learnt
DRY_SECONDS, FADE_SECONDS = 0.03, 0.1  # a note's own end, where there is no room; the end of what rings
RISE_SECONDS = 0.025  # of a note that comes out of silence
_AGE, _VELOCITY, _RELEASED, _SLUR = (FEATURES.index(name) for name in ("age", "velocity", "released", "slur"))
ON_OFF = tuple(
    FEATURES.index(n) for n in ("new", "new_place", "ended", "age_fast", "slur", "interval", "velocity_step")
)


class PerformerNetwork(nn.Module):
    """See the module's docstring; `config` gives all sizes."""

    def __init__(self, config: PerformerConfig) -> None:
        super().__init__()
        self.config = config
        voice, common = config.voice_channels, config.common_channels
        self.voice_in = nn.Linear(len(FEATURES) + len(INSTRUMENTS), voice)
        self.common_in = nn.Linear(voice, common)
        self.common = PitchwiseRecurrence(common, common)
        self.contour = PitchwiseRecurrence(voice + common, voice)
        self.hidden = nn.Linear(2 * voice + common, voice)
        self.levels = nn.Linear(voice, 1 + config.envelope_points + config.own_partials + config.noise_points)
        self.body = nn.Parameter(torch.zeros(len(INSTRUMENTS), config.body_points))  # dB
        self.room_decay = nn.Parameter(torch.zeros(config.rooms, len(INSTRUMENTS), config.noise_points))
        self.room_level = nn.Parameter(torch.full((config.rooms, len(INSTRUMENTS), config.noise_points), -18.0))  # dB
        bands = config.bands
        self.texture_in = nn.Conv1d(bands, bands, 1)
        self.texture_common = nn.Linear(common, bands)
        self.blocks = nn.ModuleList(MultiBandBlock(bands, n) for n in config.multi_bands)
        self.texture_out = nn.Conv1d(bands, bands, 1)
        with torch.no_grad():
            self.levels.weight.mul_(4.0)
            bias = self.levels.bias
            bias[0] = -30.0 - LEVEL_RANGE * 70 / 127
            frequencies = config.lowest * (config.sample_rate / 2 / config.lowest) ** torch.linspace(
                0, 1, config.envelope_points
            )
            bias[1 : 1 + config.envelope_points] = -8.0 * torch.log2(frequencies / 440).clamp(min=0)
            bias[-config.noise_points :] = -50.0
            self.room_decay[:] = torch.tensor([2.0, 4.0])[: config.rooms, None, None]
            self.texture_out.weight.zero_()
            self.texture_out.bias.zero_()
        centres = torch.arange(config.bins) * config.sample_rate / config.n_fft
        self.register_buffer("noise_curve", hats(centres, config.noise_points, config), persistent=False)
        band_curve = hats(centres, bands, config)
        self.register_buffer("band_curve", band_curve, persistent=False)  # (bands, bins)
        gathered = band_curve + 1e-6
        self.register_buffer("band_mean", gathered / gathered.sum(1, keepdim=True), persistent=False)
        self.register_buffer("harmonics", torch.arange(1.0, config.partials + 1), persistent=False)

    @property
    def parameter_count(self) -> int:
        return sum(parameter.numel() for parameter in self.parameters())

    # Sequences: (batch, frames, ...)

    def power(self, features: Tensor, pitches: Tensor, controls: Tensor) -> Tensor:
        """Features (batch, frames, voices, FEATURES), pitches as they sound (batch, frames, voices) in semitones and
        CONTROLS (batch, frames, controls) -> power (batch, frames, bins)."""
        partials, noise = self.parts(features, pitches, controls)
        return partials + noise

    def parts(self, features: Tensor, pitches: Tensor, controls: Tensor) -> tuple[Tensor, Tensor]:
        """As `power`: the power of the partials, and that of the noise with what rings on."""
        said = self._say(features, controls)
        embedded = torch.relu(self.voice_in(said))
        active = _active(features)
        shared = torch.relu(self.common_in((embedded * active).sum(2)))
        common = self.common(shared.unsqueeze(2)).squeeze(2)
        spread = common.unsqueeze(2).expand(-1, -1, features.shape[2], -1)
        contour = self.contour(torch.cat([embedded, spread], -1))
        levels = self._levels(embedded, contour, spread)
        amplitude, noise = self._sources(levels, active, features, pitches, controls)
        batch, frames = features.shape[:2]
        sounding = active.flatten() > 0
        places, lobes = self._lobes(pitches.flatten()[sounding], amplitude.flatten(0, 2)[sounding])
        rows = torch.arange(batch * frames).repeat_interleave(features.shape[2])[sounding]
        direct = torch.zeros(batch * frames * self.config.bins)
        direct = direct.scatter_add(0, (rows[:, None, None] * self.config.bins + places).flatten(), lobes.flatten())
        direct = direct.view(batch, frames, -1)
        noise = noise + self._ring(noise, controls)
        correction = self._texture(direct + noise, common, lambda block, x: block(x))
        return direct * correction, noise * correction

    def _ring(self, direct: Tensor, controls: Tensor) -> Tensor:
        decay, level = self._room(controls[:, 0])
        state = torch.zeros(len(direct), self.config.rooms, self.config.bins)
        rung = []
        for frame in direct.unbind(1):
            rung.append(state.sum(1))
            state = decay * state + level * frame.unsqueeze(1)
        return torch.stack(rung, 1) * controls[..., CONTROLS.index("room"), None]

    # One hop: (batch, ...)

    def initial_state(self, batch: int) -> dict[str, Tensor]:
        """The state before the first hop: silence."""
        config = self.config
        state = {
            "common": self.common.initial_state(batch, 1),
            "contour": self.contour.initial_state(batch, config.voices),
            "room": torch.zeros(batch, config.rooms, config.bins),
        }
        return state | {f"block{i}": block.initial_state(batch) for i, block in enumerate(self.blocks)}

    def step(
        self, voices: Tensor, pitches: Tensor, controls: Tensor, state: dict[str, Tensor]
    ) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Features (batch, voices, FEATURES), pitches (batch, voices), CONTROLS (batch, controls) and the state ->
        `amplitude` (batch, voices, partials), `noise` and `magnitude` (batch, bins), and the new state."""
        said = self._say(voices, controls)
        embedded = torch.relu(self.voice_in(said))
        active = _active(voices)
        shared = torch.relu(self.common_in((embedded * active).sum(1)))
        common, common_state = self.common.step(shared, state["common"])
        spread = common.unsqueeze(1).expand(-1, self.config.voices, -1)
        contour, contour_state = self.contour.step(torch.cat([embedded, spread], -1).flatten(0, 1), state["contour"])
        levels = self._levels(embedded, contour.view(embedded.shape), spread)
        amplitude, noise = self._sources(levels, active, voices, pitches, controls)
        places, lobes = self._lobes(pitches, amplitude)
        direct = torch.zeros_like(noise).scatter_add(1, places.flatten(1), lobes.flatten(1))
        decay, level = self._room(controls)
        rung = state["room"].sum(1) * controls[:, CONTROLS.index("room"), None]
        room = decay * state["room"] + level * noise.unsqueeze(1)
        states: dict[str, Tensor] = {"common": common_state, "contour": contour_state, "room": room}

        def run(block: MultiBandBlock, values: Tensor) -> Tensor:
            name = f"block{len(states) - 3}"
            values, states[name] = block.step(values, state[name])
            return values

        total = direct + noise + rung
        correction = self._texture(total.unsqueeze(1), common.unsqueeze(1), run).squeeze(1)
        own = self._at_partials(torch.log(correction), pitches)
        outputs = {
            "amplitude": torch.exp(0.5 * own) * amplitude,
            "noise": torch.sqrt(correction * (noise + rung)),
            "magnitude": torch.sqrt(correction * total),
        }
        return outputs, states

    # Both

    def _say(self, features: Tensor, controls: Tensor) -> Tensor:
        """What is said of a voice, with the dynamics added to its velocity, and the instrument."""
        if not self.config.on_off:
            keep = torch.ones(len(FEATURES))
            keep[list(ON_OFF)] = 0
            features = features * keep
        velocity = torch.zeros(len(FEATURES))
        velocity[FEATURES.index("velocity")] = 1.0
        features = features + velocity * controls[..., :1].unsqueeze(-2) * _active(features)
        instrument = controls[..., -len(INSTRUMENTS) :].unsqueeze(-2)
        return torch.cat([features, instrument.expand(*features.shape[:-1], -1)], -1)

    def _levels(self, embedded: Tensor, contour: Tensor, common: Tensor) -> Tensor:
        heard = self._drop(torch.cat([embedded, contour, common], -1))
        return self.levels(self._drop(torch.relu(self.hidden(heard))))

    def _drop(self, values: Tensor) -> Tensor:
        return functional.dropout(values, self.config.dropout, self.training)

    def _sources(
        self, levels: Tensor, active: Tensor, features: Tensor, pitches: Tensor, controls: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Amplitudes (..., voices, partials) and the noise's power (..., bins)."""
        config = self.config
        level, envelope, own, noise = levels.split(
            [1, config.envelope_points, config.own_partials, config.noise_points], -1
        )
        velocity = features[..., _VELOCITY : _VELOCITY + 1] + controls[..., :1].unsqueeze(-2)
        level = level + LEVEL_RANGE * velocity
        frequency = self._frequencies(pitches)
        place = place_of(frequency, config.envelope_points, config)
        body_place = place_of(frequency, config.body_points, config)
        body = (controls[..., -len(INSTRUMENTS) :] @ self.body).unsqueeze(-2).expand(*pitches.shape, -1)
        decibel = level + read(envelope, place) + read(body, body_place)
        decibel = decibel + functional.pad(own, (0, config.partials - config.own_partials))
        tilt = controls[..., CONTROLS.index("brightness"), None, None]
        decibel = decibel + tilt * torch.log2(frequency / 1000).clamp(-2, 4)
        left = active * self._left(features, controls)
        audible = (frequency < 0.49 * config.sample_rate) * torch.sqrt(left)
        amplitude = audible * torch.exp(0.5 * DECIBEL * decibel.clamp(-120, 12))
        fine = (level + noise).clamp(-140, 0) @ self.noise_curve
        fine = fine + tilt * self._bin_tilt()
        return amplitude, (left * torch.exp(DECIBEL * fine)).sum(-2)

    def _left(self, features: Tensor, controls: Tensor) -> Tensor:
        """The share of a voice's power that is heard (..., voices, 1): a note that follows none closely rises, as a bow or a breath
        sets in; one that has ended rings on as the room does, and fades at last."""
        age, released, slur = (features[..., i : i + 1] for i in (_AGE, _RELEASED, _SLUR))
        rise = RISE_SECONDS * (1 - slur) + 1e-4
        risen = torch.sin(math.pi / 2 * (0.02 * torch.expm1(5 * age) / rise).clamp(0, 1))
        room = controls[..., CONTROLS.index("room"), None, None]
        since = 0.02 * torch.expm1(5 * (released - 0.1).clamp(min=0))
        fading = ((RING_SECONDS - since) / FADE_SECONDS).clamp(0, 1)
        return risen**4 * fading * (room + (1 - room) * torch.exp(-since / DRY_SECONDS))

    def _bin_tilt(self) -> Tensor:
        hertz = torch.arange(self.config.bins) * self.config.sample_rate / self.config.n_fft
        return torch.log2(hertz.clamp(min=1) / 1000).clamp(-2, 4)

    def _frequencies(self, pitches: Tensor) -> Tensor:
        return 440 * torch.exp2((pitches.unsqueeze(-1) - 69) / 12) * self.harmonics

    def _lobes(self, pitches: Tensor, amplitude: Tensor) -> tuple[Tensor, Tensor]:
        """The bins around each partial and the power it puts there: (..., partials, 2 * LOBE + 1) each."""
        config = self.config
        place = self._frequencies(pitches) * config.n_fft / config.sample_rate
        first = torch.floor(place)
        bins = first.unsqueeze(-1) + torch.arange(-LOBE, LOBE + 1)
        kernel = hann_lobe(bins - place.unsqueeze(-1))
        inside = (bins >= 0) & (bins < config.bins)
        power = amplitude.unsqueeze(-1).square() * kernel.square() * inside
        return bins.clamp(0, config.bins - 1).long(), power

    def _at_partials(self, curve: Tensor, pitches: Tensor) -> Tensor:
        """Read a curve over bins (batch, bins) at the partials: (batch, voices, partials)."""
        place = self._frequencies(pitches) * self.config.n_fft / self.config.sample_rate
        bins = place.round().clamp(0, self.config.bins - 1).long()
        return torch.gather(curve, 1, bins.flatten(1)).view(bins.shape)

    def _room(self, controls: Tensor) -> tuple[Tensor, Tensor]:
        """Decay and level of the rooms a hop and bin: (batch, rooms, bins) each."""
        instrument = controls[:, -len(INSTRUMENTS) :]
        decay = torch.einsum("bi,rip->brp", instrument, self.room_decay) @ self.noise_curve
        level = torch.einsum("bi,rip->brp", instrument, self.room_level) @ self.noise_curve
        return torch.sigmoid(decay), torch.exp(DECIBEL * level)

    def _texture(self, power: Tensor, common: Tensor, run) -> Tensor:  # type: ignore[no-untyped-def]
        """Power (batch, frames, bins) -> the factor that corrects it."""
        if not self.config.multi_bands:
            return torch.ones_like(power)
        loudness = torch.log(power.clamp(min=FLOOR))
        heard = loudness @ self.band_mean.t()  # (batch, frames, bands)
        mean = heard.mean(-1, keepdim=True)
        values = (0.3 * (heard - mean)).transpose(1, 2)
        values = torch.relu(self.texture_in(values) + self.texture_common(common).transpose(1, 2))
        for block in self.blocks:
            values = run(block, values)
        decibel = self.config.correction_db * torch.tanh(self.texture_out(torch.relu(values)) / 4)
        return torch.exp(DECIBEL * (decibel.transpose(1, 2) @ self.band_curve))


def _active(features: Tensor) -> Tensor:
    """1 where a voice sounds or rings: (..., 1)."""
    return (features[..., _AGE : _AGE + 1] > 0).to(features.dtype)


def load_network(checkpoint: Path) -> PerformerNetwork:
    """Build the network of a checkpoint, in evaluation mode."""
    from safetensors.torch import load_file

    network = PerformerNetwork(PerformerConfig.from_json(json.loads(read_card(checkpoint)["config"])))
    network.load_state_dict(load_file(checkpoint))
    return network.eval()
