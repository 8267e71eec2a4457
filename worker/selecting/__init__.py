"""Which models read which series of a study, and why not. Pure but for the files that it looks into. In reading order:

selection          the decision; selection_summary, what it sees of a series
selection_rules    what a card may say of series; tag_rules, free rules on attributes
image_versions     which of an image that came twice; repeated_images, what is told of it
other_series       what fits as well and is not read
"""
