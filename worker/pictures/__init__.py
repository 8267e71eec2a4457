"""What people look at. In reading order:

picture               one page, by modality: slice_picture (shown_images, of which images), ecg_picture; picture_style
words_beside          beside either
summary_image         as Secondary Capture
pdf_document          as Encapsulated PDF: pdf_pages, pdf_fonts
presentation_state    drawn over the images: graphic_annotations, graphic_objects, mask_outlines; grey_transformations
"""
