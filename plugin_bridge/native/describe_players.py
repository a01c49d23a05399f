"""Write players.hpp from what `backline models --json` says: the parameters of every player that comes with Backline.

    backline models --json | python3 describe_players.py > players.hpp

A plug-in's parameters are fixed when it is built, so they come from the manifests this way; a host automates numbers, so that texts
are left out. A model that works in several directions
is a player in each, called `MODEL DIRECTION`.
"""

import json
import sys
from typing import Any  # Any: JSON

FIRST = (
    "transcriber",
    "probe",
    "performer",
    "translator listen",
    "translator play",
    "drummer",
    "arranger",
)  # in this order at the front, so that what a session saved keeps its meaning; the rest by name
ABBREVIATIONS = ("mpe",)
DEFAULTS = {
    name: {"stream": "live"} for name in ("drummer", "arranger")
}  # on the host's beats, so that they need no latency


def describe(models: dict[str, Any]) -> str:
    """Return players.hpp. models: name -> its row of `backline models --json`."""
    players = {player: row for name, model in models.items() for player, row in _players(name, model)}
    names = [*(name for name in FIRST if name in players), *sorted(name for name in players if name not in FIRST)]
    lines = [
        "// Made by describe_players.py from the players' manifests; change those.",
        "#pragma once",
        "",
        '#include "player.hpp"',
        "",
        "namespace backline {",
        "",
    ]
    for name in names:
        rows, symbol = players[name]["parameters"], _symbol(name)
        for parameter, row in rows.items():
            if row["choices"]:
                words = ", ".join(map(json.dumps, row["choices"]))
                lines.append(f"constexpr const char* {symbol}_{parameter}[] = {{{words}}};")
        lines.append(f"constexpr PlayerParameter {symbol}_parameters[] = {{")
        lines += [f"    {_row(symbol, parameter, row)}," for parameter, row in rows.items()]
        lines += ["};", ""]
    lines.append("constexpr Player players[] = {")
    for name in names:
        model, direction = players[name]["model"], players[name]["direction"]
        words = ", ".join(map(json.dumps, (name, model, direction)))
        lines.append(f"    {{{words}, {_symbol(name)}_parameters, {len(players[name]['parameters'])}}},")
    lines += ["};", "", "}  // namespace backline"]
    return "\n".join(lines) + "\n"


def _players(name: str, model: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """Return the players that a model is: name -> `model`, `direction` (none where it has but one way), `parameters`."""
    ways = model["directions"] or {"": model}
    return [
        (f"{name} {direction}".rstrip(), {"model": name, "direction": direction, "parameters": {
            parameter: row | {"default": DEFAULTS.get(name, {}).get(parameter, row["default"])}
            for parameter, row in way["parameters"].items()
            if not row["text"] and not (direction and parameter == "direction")}})
        for direction, way in ways.items()
    ]  # fmt: skip


def _symbol(player: str) -> str:
    return player.replace(" ", "_")


def _row(player: str, name: str, row: dict[str, Any]) -> str:
    choices = row["choices"]
    low, high = (0, len(choices) - 1) if choices else (row["minimum"], row["maximum"])
    default = choices.index(row["default"]) if choices else row["default"]
    labels = f"{player}_{name}" if choices else "nullptr"
    # A host shows the unit beside the name, so that the name goes without it.
    words = name.removesuffix("_" + row["unit"].lower()).replace("_", " ")
    title = words.upper() if words in ABBREVIATIONS else words.capitalize()
    texts = ", ".join(json.dumps(text) for text in (name, title, row["unit"], row["description"]))
    return f"{{{texts}, {float(default)}f, {float(low)}f, {float(high)}f, {labels}, {len(choices)}, {str(row['fixed']).lower()}}}"


if __name__ == "__main__":
    sys.stdout.write(describe(json.load(sys.stdin)))
