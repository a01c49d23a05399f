"""From a manifest's decoder name to the processor that runs it.

Names map to "module:attribute", so that a player is imported only when it is chosen and no player knows another.
"""

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import cast

from models.manifest import Manifest, ManifestError
from models.step import Step
from models.stream import StreamProcessor

DECODERS: Mapping[str, str] = {
    "probe": "models.probe.processor:ProbeProcessor",
    "transcriber": "models.transcriber.processor:TranscriberProcessor",
    "performer": "models.performer.processor:PerformerProcessor",
    "translator": "models.translator.processor:TranslatorProcessor",
    "drummer": "models.drummer.processor:DrummerProcessor",
    "arranger": "models.arranger.processor:ArrangerProcessor",
}
"""Decoder name -> class taking (manifest, steps, settings), where the manifest faces the direction of the settings."""

BUNDLED = ("probe", "transcriber", "performer", "translator", "drummer", "arranger")
"""Players that come with Backline, each as models/NAME/NAME.onnx, or as the folder models/NAME/NAME where it has several graphs."""


def open_processor(
    manifest: Manifest, steps: Mapping[str, Step], settings: Mapping[str, float | str]
) -> StreamProcessor:
    """Return a new processor of `manifest` in the direction that `settings` name; `settings` come from Manifest.resolve.

    steps: graph name -> step, of the graphs that this direction needs. Raises ManifestError where the decoder is unknown or
    refuses its settings.
    """
    if manifest.decoder not in DECODERS:
        raise ManifestError(f"decoder is '{manifest.decoder}'; allowed: {', '.join(DECODERS)}")
    module, attribute = DECODERS[manifest.decoder].split(":")
    factory = getattr(import_module(module), attribute)
    return cast(StreamProcessor, factory(manifest.facing(settings), steps, settings))


def bundled_files() -> dict[str, Path]:
    """Return the model files that come with Backline: name -> path, those that exist."""
    root = Path(__file__).parent
    paths = [root / name / file for name in BUNDLED for file in (f"{name}.onnx", name)]
    return {path.stem: path for path in paths if path.exists()}
