"""Child processes for work on what strangers wrote, so that it can be limited and killed.

A worker is a module that ends in `serving.run`; the gateway asks it through a `pool`. This file imports nothing: every
worker runs through it on its way up and has to be quick.
"""
