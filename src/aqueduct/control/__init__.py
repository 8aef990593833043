"""Control-plane use cases: what a person administers, whoever asks (command line now; REST and pages later).

A use case opens its own transaction, and bumps the revision after the commit when the gateway must notice. No HTTP, no
SQL and no printing here.
"""
