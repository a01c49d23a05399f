"""Public data sets in the layouts in which they are published: what is read from them, and how it becomes training material.

recording   one recording: its name, piece, split and audio, its notes, pedal and bends read when they are asked for
maestro, maps, guitarset, slakh, musicnet, pop909   one loader a data set
song        one song as its stems, which are read when they are asked for
musdb18, fma    one loader a data set of songs
registry    the loaders by name, and which of them a folder is for
conversion  recordings cut into the npz files that training reads

Nothing is downloaded. Who trains on a data set looks up its licence first.
"""

from models.sound.datasets.conversion import dataset_render, write_recordings
from models.sound.datasets.recording import Recording
from models.sound.datasets.registry import DATASETS, find_dataset, find_songs
from models.sound.datasets.song import Song

__all__ = ["DATASETS", "Recording", "Song", "dataset_render", "find_dataset", "find_songs", "write_recordings"]
