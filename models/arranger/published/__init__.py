"""The arranger as it was published ("Audio-to-symbolic Arrangement via Cross-modal Music Representation Learning"): two bars of a pop
song and its chords become two bars of piano.

It wants whole bars, a song stretched to one tempo and chords found beforehand, so it never plays live; the arranger beside it does.

corrections   what the release gets wrong, each a switch
config        sizes: the published 62.27 M parameters, and a small one
features      samples -> log mel spectra on even beats
symbols       notes -> trees, rolls, features, chords; masking and transposition
schedules     four stages: rates, weights and coins at each step
data          songs of POP909 -> segments -> batches
recurrence    gated units, steps of them, and Gaussians
transcriber   spectra -> onsets, frames and velocities
encoders      transcription, chords and scores -> latents
decoders      latents -> chords and features
pianotree     latents and features -> notes
network       all of them, its variant without chords, and three baselines
objectives    what is learnt from a batch
training      segments -> checkpoints, stage by stage
inference     a song -> windows -> notes -> MIDI
export        the encoder and a step of the decoder as ONNX graphs
"""
