"""Where the soak takes place: a real server, the eight who play all the time, and the guests."""

import time
from itertools import product
from pathlib import Path

from benchmarks.serving import Server, memory_mb
from benchmarks.soak_material import SEEDS, make_material
from benchmarks.soak_streams import EIGHT, Band, Client, Heard, Part
from server.errors import BacklineError

PATIENCE_SECONDS = 30.0  # for an engine to be replaced
POLL_SECONDS = 0.25  # seldom: every question about the streams is work for all engines


class Stage:
    """See the module's docstring. Of one thread, which is not the band's."""

    def __init__(self, server: Server, band: Band) -> None:
        self.server, self.band = server, band
        for part, seed in product(EIGHT, range(SEEDS)):
            make_material(part.plays, part.rate, seed)
        for model in dict.fromkeys(part.model for part in EIGHT):
            server.load(model)
        self.gone: list[Client] = []  # all that were closed
        self.guests: list[Client] = []  # of these, the guests to whom nothing happened
        self.disturbed = 0  # guests that the machine held up so long that the server left something out
        self.players = [self.enter(part, seed) for seed, part in enumerate(EIGHT)]

    def enter(self, part: Part, seed: int, ppm: float = 0.0, heard: Heard | None = None) -> Client:
        """Open a part's stream and let it play. Raises BridgeError.

        Args: seed: of what it plays. ppm: how much too fast its clock runs. heard: where all that it hears is kept.
        """
        material = make_material(part.plays, part.rate, seed)
        stream = self.server.client.open_stream(part.model, part.rate, part.settings)
        client = Client(part, stream, material, ppm, heard)
        self.band.add(client)
        return client

    def leave(self, client: Client) -> None:
        """Take a client out of the band and close its stream. Raises BridgeError."""
        self.band.remove(client)
        client.end()
        self.gone.append(client)

    def leave_heard(self, guest: Client) -> None:
        """As `leave`, for a guest; it is asked before whether the server left anything out of its stream."""
        self.band.remove(guest)
        guest.settle()
        row = self.server.status()[str(guest.stream.number)]
        whole = not any(row.get(name, 1) for name in ("restarts", "stale_samples", "lost_samples"))
        self.disturbed += not whole
        if whole:
            self.guests.append(guest)
        self.leave(guest)

    def replace(self, place: int, part: Part, seed: int) -> None:
        """Have a player leave and another take its place. Raises BridgeError."""
        ppm = self.players[place].ppm
        self.leave(self.players[place])
        self.players[place] = self.enter(part, seed, ppm)

    def end(self) -> None:
        """Close the eight. Raises BridgeError."""
        while self.players:
            self.leave(self.players.pop())

    def working(self) -> dict[str, int]:
        """Return the process of each model that somebody plays with, once each has one: it may just be replaced. Raises BacklineError."""
        until = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < until:
            rows = self.server.status().values()
            # 0 is no engine, and must never reach os.kill: it would be ourselves.
            if all(row.get("process") and "model" in row for row in rows):
                return {row["model"]: row["process"] for row in rows}
            time.sleep(POLL_SECONDS)
        raise BacklineError(f"a model had no engine for {PATIENCE_SECONDS:g} s")

    def replaced(self, model: str, process: int) -> float | None:
        """Wait until a model's engine is another one; return the seconds from when the first was known to be lost. None where none came."""
        until = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < until:
            time.sleep(POLL_SECONDS)
            for row in self.server.status().values():
                if row.get("model") == model and row["process"] not in (0, process) and row["swaps"]:
                    return float(row["swaps"][-1]["seconds"])
        return None

    def memory(self) -> dict[str, float]:
        """Return the resident memory in MB of the control process and of all engines together, each with its spare."""
        for model in dict.fromkeys(part.model for part in EIGHT):
            self.server.load(model)
        engines = [memory_mb(process)["resident_mb"] for process in self.server.engines()]
        server = memory_mb(self.server.pid)["resident_mb"]
        return {"server_mb": server, "engines_mb": round(sum(engines), 2), "engines": len(engines)}


def lost_datagrams() -> int:
    """Return how many datagrams this machine's sockets had no room for, since it started."""
    names, values = (
        line.split()[1:] for line in Path("/proc/net/snmp").read_text().splitlines() if line.startswith("Udp:")
    )
    return int(values[names.index("RcvbufErrors")])
