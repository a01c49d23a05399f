"""PerformanceNet ("Score-to-Audio Music Generation with Multi-Band Convolutional Residual Network") as it was published,
and with the mistakes of its release put right.

It wants the whole score and looks 131 frames ahead in it (0.76 s), so it never plays live; the player beside it does.

corrections   the mistakes of the release, each a switch
config        sizes: the published 249,804,801 parameters, and two small ones
network       pianoroll and on/off roll -> log(1 + power) of a spectrogram: ContourNet, then TextureNet
data          recordings with their notes -> rolls, spectrograms, overlapping chunks
training      those -> a checkpoint
synthesis     notes -> spectrogram in overlapping windows -> Griffin-Lim -> samples
export        the network as an ONNX graph
"""
