"""The translator as a stream processor: listening, audio to notes, or playing, notes to audio, as its direction says.

listen: audio -> step (samples -> places -> symbols) -> tracker -> notes, and the symbols' probabilities
play:   notes -> voices -> step (symbols -> places -> partials and noise) -> phases -> audio, and its spectrum
"""

from __future__ import annotations

from collections.abc import Mapping

from models.manifest import Manifest
from models.step import Step
from models.stream import StreamProcessor
from models.translator.listening import Listening
from models.translator.playing import Playing


def TranslatorProcessor(  # noqa: N802 - the registry asks for a class
    manifest: Manifest, steps: Mapping[str, Step], settings: Mapping[str, float | str]
) -> StreamProcessor:
    """A processor of the direction that the settings name."""
    if settings["direction"] == "play":
        return Playing(manifest, steps["play"], settings)
    return Listening(manifest, steps["listen"], settings)
