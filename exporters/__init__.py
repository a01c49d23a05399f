"""Torch to ONNX with proof: `onnx_export` builds the graph, `parity` compares it with torch, `self_check` holds it
against its manifest, and only then is a file written.
"""

import models.telemetry  # noqa: F401  before ONNX Runtime is loaded
