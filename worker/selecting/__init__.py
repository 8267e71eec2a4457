"""Which models read which series of a study, and why not. Pure but for the files that it looks into. In reading order:

selection          the decision; selection_summary, what it sees of a series; image_header, of one file
selection_rules    what a card may say of series; tag_rules, free rules on attributes
image_versions     which of an image that came twice; repeated_images, what is told of it
other_series       what a study has beside what is read
"""
