"""Write players.hpp from what `backline models --json` says: the parameters of every player that comes with Backline.

    backline models --json | python3 describe_players.py > players.hpp

A plug-in's parameters are fixed when it is built, so they come from the manifests this way.
"""

import json
import sys
from typing import Any  # Any: JSON

FIRST = (
    "transcriber",
    "probe",
    "performer",
)  # in this order at the front, so that what a session saved keeps its meaning; the rest by name
ABBREVIATIONS = ("mpe",)


def describe(models: dict[str, Any]) -> str:
    """Return players.hpp. models: name -> its row of `backline models --json`."""
    names = [*(name for name in FIRST if name in models), *sorted(name for name in models if name not in FIRST)]
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
        rows = models[name]["parameters"]
        for parameter, row in rows.items():
            if row["choices"]:
                lines.append(
                    f"constexpr const char* {name}_{parameter}[] = {{{', '.join(map(json.dumps, row['choices']))}}};"
                )
        lines.append(f"constexpr PlayerParameter {name}_parameters[] = {{")
        lines += [f"    {_row(name, parameter, row)}," for parameter, row in rows.items()]
        lines += ["};", ""]
    lines.append("constexpr Player players[] = {")
    for name in names:
        lines.append(f"    {{{json.dumps(name)}, {name}_parameters, {len(models[name]['parameters'])}}},")
    lines += ["};", "", "}  // namespace backline"]
    return "\n".join(lines) + "\n"


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
