"""The drummer: drums for a bass track, planned ahead on the beat.

ear, hearing:  bass audio -> strokes -> six figures a sixteenth, the same from MIDI
network:       what was heard -> how likely each drum is on each sixteenth of the next beat
planner:       chances -> hits: what is sure enough, and what the player asked for (planning, kit)
processor:     a stream: listener -> groove on a course (transport, metre) -> notes (drum_map) and the sampled kit in its room
training:      material -> recipe -> passages -> a checkpoint; bassists and mishearing stand in for what no data set has
published:     the paper's own networks
"""
