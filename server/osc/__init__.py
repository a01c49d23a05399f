"""OSC at the control port: `packets` reads packets, `server` carries them to the control process and back, `tcp` does over TCP.

`parameters` are a stream's parameters as addresses, `query` is the address space as a tree for OSCQuery.
"""
