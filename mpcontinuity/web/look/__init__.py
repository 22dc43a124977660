"""What all pages look like: ``templates/`` has the frame of a page and the macros of its parts, ``static/`` styles."""
