"""MIDI at the edge: `file` reads and writes clips, `message` turns events into bytes, `jack` places them in a port."""
