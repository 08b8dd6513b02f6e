"""One file per format: `read(path)` gives a Mesh or a Cloud, `write(file, ...)` takes a cloud.

A reader that finds fault raises a ValueError that says what is wrong; `nvc3d.data.files` adds the
name of the file. No reader trusts a count in a header further than the bytes that follow it.
"""
