"""Instruments in C and what starts them: `build` compiles, `jackd` runs a dummy JACK server, `jack_probe` plays material with
known onsets into JACK ports and says at which frame what comes back, `plugin` puts the plug-in into a host between them, `stream_client`
plays open streams in real time as a DAW's plug-ins do and keeps account of what comes back.
"""
