"""From the answer to a Reading on the source grid; what is no label map is prepared and asked here too. In order:

interpretation  of a volume (measuring; instances: parts that are counted and measured, diameters in a plane, outlined
                by line_thinning; counting, how many; view_edges, what reaches the edge of what was seen)
image_reading   of images: classification or image_labels; volume_classification, an answer about a whole volume
detection       what a detector finds in a volume or in images (boxes: of those that overlap, the best; box_seams: of
                what a window's edge cuts, the whole)
ecg             an ECG, from waveform to Reading (signal_classification: an answer about a whole recording)
regression      a network answers numbers about a whole input
critical        which of a card's rules a reading fulfils; critical_reason, why; presence, which answers say no
"""
