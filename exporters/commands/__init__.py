"""The commands of the workshop: `train` makes a checkpoint, `export` makes a model file of it."""
