"""The web console and the HTTP API under it: faces of the same engine as the command line, for the same three people.

``app.create_app`` puts it together. Each area (reviews, policies, users, the log) has a folder of its own with what it
answers (``answers.py``: typed models, filled by the store and the engine), the API over that (``api.py``) and the pages
over that (``pages.py``). Nothing is decided here.
"""
