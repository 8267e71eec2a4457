"""From the source grid to the network's. In reading order:

grid               grids in patient space, and the way from one to another (spline: as nnU-Net goes it)
preparation        of a volume (normalisation: its values)
image_preparation  of images without a place in space
"""
