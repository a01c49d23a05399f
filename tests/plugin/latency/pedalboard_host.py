"""The effect as VST3 in pedalboard, which gives the output back as many samples earlier as the plug-in reports.

One JSON argument: plugin, rate, blocks (sizes), impulses (places), frames, load (a file with a saved state, or null), save
(the same). A JSON line a block size: block, reported, shift (where each impulse came out less where it went in: measured
latency less what is compensated for). A process of its own: what the plug-in reads from the environment is fixed
when it is made.
"""

import json
import sys
from pathlib import Path

import numpy as np
import pedalboard

given = json.loads(sys.argv[1])
for block in given["blocks"]:
    plugin = pedalboard.load_plugin(given["plugin"])
    if given["load"]:
        plugin.raw_state = Path(given["load"]).read_bytes()
    audio = np.zeros((2, given["frames"]), np.float32)
    audio[:, given["impulses"]] = 0.8
    played = plugin.process(audio, given["rate"], buffer_size=block, reset=True)
    reach = given["impulses"][0] - 1
    shift = []
    for place in given["impulses"]:
        around = np.abs(played[0, place - reach : place + reach + 1])
        shift.append(int(np.argmax(around)) - reach if around.max() > 0.2 else None)
    found = {"block": block, "reported": plugin.reported_latency_samples, "shift": shift}
    sys.stdout.write(json.dumps(found) + "\n")
    if given["save"]:
        Path(given["save"]).write_bytes(plugin.raw_state)
