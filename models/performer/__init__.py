"""The performer: notes -> the sound of somebody who plays them.

config      the sizes and the clock of the network
score       notes -> what is said of each voice in every hop
network     that -> partials, noise and spectrum of a frame
expression  vibrato, bend wheel, expression pedal
processor   a stream of events -> a stream of audio
material, sources, alignment, pitch_track, phrases, loudness    recordings with their notes, measured
measures, vibrato, training    how far a spectrum is from a recording's; a player's manners; the run
published   the paper's own network
"""
