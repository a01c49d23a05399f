"""The transcriber of "Translating Audio to MIDI" (Fa Sol Fa) as it was published, and with its mistakes put right.

It hears two seconds at a time and looks 0.65 s ahead (0.28 s put right), so it never plays live; the player beside it does.

corrections     the mistakes of the release, each a switch
features        samples -> constant-Q magnitudes of the 88 keys
network         those -> pitch, note and onset activations: 21,516 parameters
targets         notes -> what the network should say, and the loss
material        renders of MIDI by one sound font, and crops of 2 s out of them
decode          activations -> notes
metric          the paper's own scores, and the field's
transcription   a recording of any length -> notes, a MIDI file
validation, training, experiment   how well it does; the run in two steps; all of it, from MIDI to figures
"""
