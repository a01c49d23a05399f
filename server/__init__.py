"""The I/O shell around the pure core.

In data-flow order: `audio` and `osc` bring blocks, `engine` receives them in a process of its own (`data_port`,
`hosted_stream`, `hop_spread`), `live_stream` is the path of one stream (`rebuffer`, `resample`, processor over `onnx_step`,
`scheduler`, `note_ledger`), `midi` and `osc` carry events away. `control` answers commands, `service`, `worker` and
`watchdog` keep engines alive, `kept_take` remembers what was played and `keep` writes it, `cli` is the door.
"""

import models.telemetry  # noqa: F401  before ONNX Runtime is loaded
