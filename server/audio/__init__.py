"""Where audio comes from and goes to: files on a virtual clock; JACK, or PortAudio, in a process of its own."""
