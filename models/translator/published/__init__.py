"""The bijective signal/symbol model of "latent transcription" as it was published, and with the mistakes of its release put right.

It hears the stationary half second of a note through windows of up to 2.3 s, so it never plays live; the player beside it does.

corrections   the mistakes of the release, each a switch
config        sizes: the published ones, up to 61.6 million parameters, and a small one
nsgt          samples -> constant-Q coefficients, and back without loss
features      notes -> frames of their stationary part -> normalised logarithms
vocabulary    what symbols are: octave, pitch class and dynamics, several pitches at once, or a user's own labels
data          notes -> examples of one source, or of two or three that sound together
network       two variational autoencoders, one of spectra and one of symbols
objective     two evidence lower bounds, and how far the encoders disagree
training      those -> a checkpoint
validation    likelihoods and success ratios of a checkpoint
measures      success ratios, Itakura-Saito divergence, log-spectral distance
separation    decoders of single instruments -> sources and gains of a mixture
baseline      principal components and a classifier
listening     a recording -> its symbols, whoever gives the probabilities
synthesis     symbols -> samples
export        the network as two ONNX graphs
"""
