"""One file per format, which holds its `FORMATS`: suffixes, reader, writer.

A reader that finds fault raises a ValueError that says what is wrong; `read_shape` adds the name of
the file. No reader trusts a count in a header further than the bytes that follow it.
"""
