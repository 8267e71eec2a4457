"""What is read of a dataset, and no more of it. In reading order:

elements         where its elements are; head, its UIDs; modesty, what a parser may be given
character_sets   what bytes of text mean, by the standard's sets
part10           our file meta information before a dataset that stays as it is; wholeness, whether all of it is there
origin           what a request says of an instance, and whether its dataset agrees
wanted_elements  what services read of theirs
parse_errors     what pydicom raises where it is asked for more
"""
