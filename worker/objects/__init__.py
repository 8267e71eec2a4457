"""SEG, SR and their like, made of a case. In reading order:

object_encoding       what all of them share, and their bytes: frame_encoding, quick_encoding; segments, names and UIDs
segmentation          a mask as SEG, and as labelmap; source_geometry and planar_geometry, where it lies
sr_document           what all reports share (sr_evidence); report, the measurements (TID 1500), and region_report,
                      those of boxes and points, on measurement_groups (image_library, what the images show);
                      ecg_report; text_report, in sentences
rt_structure_set      contours, on mask_contours (graphic_points, in numbers of few digits)
parametric_map        a heat map, in numbers
key_objects           which images count (key_slices, image_references); rejection_note, which no longer do (IOCM)
"""
