"""The adapter of Amazon Bedrock's Converse API, both directions in full.

A room of one protocol: `operation` is what the registry names, the rest is one concern a file. What Claude models take
is the same here as at Anthropic's own API, and read from there. Sources: the Amazon Bedrock API reference (`Converse`,
`ConverseStream`), its user guide, and the user guide of Amazon Nova.
"""
