"""MIDI at the edge: files, bytes, notes on their way out, and ports.

file:        clips, read and written
message:     events as bytes
texture:     a file as the texture that an arranger plays in
quantise:    notes on the lines of a rhythm
mpe:         a channel for every note
clock:       a MIDI clock that comes in
jack:        who owns a JACK port: every event at its frame
due_queue:   who owns any other port: every event at its time
ports:       ports by name
rtmidi:      a port in a process of its own (rtmidi_port)
"""
