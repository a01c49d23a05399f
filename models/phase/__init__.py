"""Magnitude frames become samples: in a stream, frame by frame, or offline.

frames:      the clock (transform size, hop, windows), analysis, and overlap-add
stream:      the one interface of every streaming method, and the hint that a known score gives it
informed:    the score is known, so the phases are: partials and noise as complex frames
oscillators: carries the phase of each voice from frame to frame
attack:      notes begin at their samples and not with their hops
sounding:    all of that for a player's voices: levels in, samples out
peaks:       no iteration, no look-ahead: phases advance at spectral peaks and spread between them
rtisi:       a few iterations per hop over a few frames of look-ahead (RTISI-LA)
griffin_lim: the whole signal, many iterations; the yardstick
"""
