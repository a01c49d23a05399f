"""The arranger: a piano arrangement of a song, bar by bar.

spectrum, ear:    audio -> levels -> beats, chords, notes, voice and bass of every frame (hearing keeps them, grid pools them)
bars, finding:    a host's transport, or the beats that are heard -> where bars lie
network:          two bars heard, their chords, what was played before -> the notes of a bar (drafting)
pianist:          notes of the network -> what two hands and a foot do (voicing, hands, touch, pedal)
processor:        a stream: follower (what was heard, later) or leader (the bar to come, in time) -> composing -> keyboard
training:         songs, renders -> ear_training, training; published: the paper's own network
"""
