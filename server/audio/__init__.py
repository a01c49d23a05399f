"""Where audio comes from and goes to: files on a virtual clock, JACK in a process of its own."""
