"""Training audio: performances rendered by sampled and sound-font instruments, and what rooms and microphones do to them.

performance   notes and pedal of a piece, read from MIDI, cut and varied
exercises     performances nobody wrote: scales, octaves, repeated and isolated notes
sampler       a grand piano played from recorded single notes
soundfont     General MIDI instruments played by FluidSynth
renders       the cache on disk: one numbered, seeded render a file, made in parallel
augmentation  rooms, equalisation, noise, hum and level, applied anew whenever a segment is heard
"""
