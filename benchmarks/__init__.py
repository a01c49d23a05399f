"""One file a question; `backline bench` runs them, README.md here says how to read them.

record    rows, percentiles, tables, comparison          command   options and the run that all share
pacing    calls at a real stream's pace                  serving   a real server process to measure
networks  the bundled models as bare steps               report    rows to the tables and the picture of the README
"""

import models.telemetry  # noqa: F401  before ONNX Runtime is loaded
