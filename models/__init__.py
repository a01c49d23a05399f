"""The pure core: what a block, an event, a latency and a stream processor are, and the players.

In data-flow order: `block` and `events` travel; `stream` says what a processor is and `latency` what it
costs; `step` is the network as a pure function; `manifest` and `model_file` describe a model on disk;
`registry` turns a manifest and a step into a processor; `rhythm` is musical time. Players live in folders of their own.
No sockets, devices, threads, clocks or ONNX Runtime here, and no torch outside network code.
"""
