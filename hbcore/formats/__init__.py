"""What people edit: text in, typed configuration out, problems with file and line.

`load(config_dir)` in `hbcore.formats.load` is the door; the parsers are pure functions of a text and a file name.
"""
