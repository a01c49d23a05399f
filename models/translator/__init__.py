"""The translator: a sound -> its notes, notes -> their sound, through one latent space that can be played.

notes, renders, split.json    single notes with their symbols, real and rendered, and which are kept aside
config      symbols, sizes and clock
features    samples -> a variable-Q spectrum, inside the graph
space       symbols <-> places in the latent space
listener    samples -> places and symbols of up to three notes
player      places -> partials and noise
network     both, over one space
map         the plane through the space that one can drag a pointer over
symbols, voices, tracker    numbers of symbols; what is played, hop by hop; symbols -> notes
processor, listening, playing    a stream of either direction
analysis, material, losses, judging, training    what notes are made of; what is heard; the run
published   the paper's own model
"""
