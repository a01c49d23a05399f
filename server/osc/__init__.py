"""OSC at the control port: `packets` reads datagrams, `server` carries them to the control process and back."""
