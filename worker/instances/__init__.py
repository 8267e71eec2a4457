"""Any DICOM file that comes from elsewhere, read so that it can harm nobody. In reading order:

pydicom_errors       what pydicom raises over one; bounded_inflating, codestream_size, what it may not do to us
quick_parsing        the elements that are looked at, without the others; plain_values, their values;
                     frame_values, those of each frame, as text
sender_characters    what the bytes of a name mean
inputs_digest        whether an input is what was read
series_repairs       what of a series' headers is mended by a stated rule; source_repairs, of what results inherit
                     (identity_rules, value_checks)
depicted             what an image shows: part of the body, side, view; sampling, how finely; acquired, how it was taken
instance_reference   one object named by another; instance_hierarchy, all of them by study and series
"""
