"""The transcriber: piano audio -> notes, while they are played.

config      the sizes and the clock of the network
features    samples -> log-frequency spectra, inside the graph
network     spectra -> onset, frame, velocity and shift of every pitch, for six look-ahead heads
decode      those -> note events
processor   a stream of audio blocks -> a stream of events
targets, validation, training   notes -> what the heads should say; how well they do; the run
"""
