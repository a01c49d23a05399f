"""CycleDRUMS ("Automatic Music Production Using Generative Adversarial Networks") as it was published: a bass line's mel spectrogram is
translated into that of drums as a picture, a voice's into that of a song.

It wants windows of 6 s and looks 2 s ahead in them, so it never plays live; the drummer beside it does.

corrections   what the paper leaves open or gets wrong, each a switch
config        sizes: the published 28.26 M parameters, and a small one
mel           samples -> pictures of their mel spectrograms, and back to power
data          songs with stems -> pictures, overlapping crops
rendered      what is free -> songs with stems, for both stages
network       residual generator, 70 x 70 PatchGAN, the U-Net of the paired baseline, and a live variant
objectives    what is learnt from a batch: CycleGAN, Pix2Pix live or not, the pool of pictures
training      crops -> a checkpoint, in two stages
inversion     a picture -> linear power -> samples
synthesis     samples -> picture in overlapping windows -> drawn anew -> samples
frechet       how far made drums are from real ones, in mel spectrograms
evaluator     people's ratings -> a regression that rates as they do
export        the generator as an ONNX graph
"""
