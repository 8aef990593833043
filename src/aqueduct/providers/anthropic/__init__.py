"""The adapter of Anthropic's Messages API, both directions in full.

A room of one protocol: `operation` is what the registry names, the rest is one concern a file. Sources: Anthropic's API
reference (`POST /v1/messages`, its streaming events and errors), and what its models' pages say they take.
"""
