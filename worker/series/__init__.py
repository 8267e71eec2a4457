"""Files to Volume, Image or Waveform. In reading order:

series_volume      a series' files, read and put together
slice_geometry     in which order, at which places; image_frames, of multi-frame objects; one_acquisition, whether they
                   belong together
planar_images      X-rays and clips; planar_spacing, what a pixel of them measures
waveform_reading   ECG
frame_decoders     the fastest for each transfer syntax; plain_frames, those that need no pydicom
rescaling          stored values to what they mean; real_world_values, where nothing else says it; stated_units, in
                   which unit; pixel_padding, which are no image
series_depicted    what its images show: part of the body, side, view; how finely, and how they were taken
channel_series     several series as channels; fitting_frames, which of a multi-frame image are read
"""
