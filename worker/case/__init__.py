"""One read on its way to become objects, and what is said of it. In reading order:

case                  what all objects are made of; site_filter, what the site does not want to be told
prior                 what it is compared with
changed_series        where the read before was made on another series; superseded, told of it
sentences             whatever people read, in the site's language (locale/); line_breaking, in lines
rounding              of numbers; limits, from which they are told apart
images_read           of which images were read, which not, and what to beware of
finding_sentences     of findings; labels_told, of which; foremost_words, before all else: critical, late, superseding
other_series_words    of what was not read (series_names); prior_words, of what has changed
picture_words         in pictures; notification_words, to who is told
"""
