"""Training audio: performances rendered by sampled and sound-font instruments, and what rooms and microphones do to them.

performance     notes, pedal and bends of a piece, read from MIDI, cut and varied
exercises       performances nobody wrote, for pianos: scales, octaves, repeated and isolated notes
library         tracks of MIDI pieces, sorted by what an instrument can make of them
instruments     the other instruments' ranges and manners
manners         what an instrument makes of notes written for another: range, voices, articulation, timing
drills          scales, repeated notes, leaps, trills and long notes within an instrument's range
passages        excerpts in one of an instrument's manners, one after another
bends           vibrato, slides and bends of a line
sampler         a grand piano played from recorded single notes
modelled_piano  a piano that nobody built, another for every seed
modes           partials that ring and decay, of which it is made
single_notes    any other instrument played from recorded single notes
oscillator      synthetic leads and a singing vowel
soundfont       General MIDI instruments played by FluidSynth
renders         the cache on disk: one numbered, seeded render a file, made in parallel; and the pianos in it
general         the cache of all instruments
speech          somebody talking, which is not music
vocal_tract     the voice that talks
datasets        public data sets in their own layouts, and their conversion to renders
augmentation    rooms, equalisation, noise, hum, clipping, codecs and level, applied anew whenever a segment is heard
"""
