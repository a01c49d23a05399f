"""The probe: a model that proves latency instead of making music.

An impulse in its audio gives a note at that impulse's sample; a note in gives an impulse out at that note's
sample. Whatever stands between is the path's own latency, exact to the sample.
"""
