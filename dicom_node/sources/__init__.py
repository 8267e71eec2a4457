"""What a person names to be sent. In reading order:

sources          files, folder_entries, zip_entries, and what a media_directory (DICOMDIR) lists
foreign_file     of whose meta information not all is right
"""
