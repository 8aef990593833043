"""The pages: HTML over `control/`, rendered on the server.

A page is a file here, its templates are in `templates/`, and what browsers load in `static/`. Nothing of the data plane
is imported. CONTRIBUTING.md says how a page is added.
"""
