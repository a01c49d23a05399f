"""What is played is nobody's business: ONNX Runtime tells its maker nothing, unless a user wants it to.

From 1.29 on its builds report sessions and running times over the network. For that each process gets a thread, more when it
sends, files in the user's cache and, where memory is locked, 24 MB. It looks at the environment once, as it is loaded.
"""

import os

SWITCH = "ORT_DISABLE_TELEMETRY"
"""Of the environment; 0 leaves it on."""

os.environ.setdefault(SWITCH, "1")
