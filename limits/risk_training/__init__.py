"""How a scorecard is made and judged: bins, tables, logistic regression, calibration, model card, reports.

Nothing here runs in a review: scoring (``limits.risk``) reads the file that this writes.
"""
