"""Time as a musician counts it: what the host says, and what can be followed where it says nothing.

beat_finder: onsets as a transport, where no host tells one
clock:      a MIDI clock as a transport
grid:       the lines of a rhythm, and the nearest of them
transport:  a transport carried on in time, when it is worth telling again, and whether it broke off
"""
