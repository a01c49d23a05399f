"""The DAW's side: `protocol` is the wire as pure data, `client` speaks it from Python, over UDP or over `tcp` (`slip` frames).

It talks to the server only over the wire and imports nothing else of Backline.
"""
