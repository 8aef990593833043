"""`aqueduct.yaml`: loaded with line numbers, filled from the environment, validated whole, compiled to a snapshot.

Nothing here serves requests, and nothing here touches the database.
"""
