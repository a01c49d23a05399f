"""Streaming torch layers: each has `forward` over a whole sequence and `step` over one hop, with the same weights.

spectrum     right-aligned windows -> magnitudes, by a Fourier transform that exports as small matrix products
convolution  causal convolution over time, and a delay line with taps
recurrence   a gated recurrent unit shared by all pitches
mixing       every pitch hears its neighbours at chosen intervals
"""
