"""What outlives the process: the data directory, the database and the journal of usage on its way there.

One query module an aggregate; SQL is written nowhere else. Nothing here knows HTTP or decides what a caller may do.
"""
