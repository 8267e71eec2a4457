"""What every object passes before it is sent. In reading order:

output_gate           the checks, in order; bundle, what they look at
object_checks         of any object; attribute_checks, what PS3.3's modules require (required_attributes.json)
content_checks        of a SEG; planar_checks, labelmap_checks, parametric_map_checks, rt_structure_checks, of theirs
report_checks         of SRs; number_checks, of what they measure; prior_evidence, of what was compared with
picture_checks        of pictures; drawing_checks, of lines over images; superseding_checks, of what is replaced
found_results         results of anybody as files, and what the gate says of them
"""
