"""What a config would do with a described traffic and described failures: the real router under virtual time.

Nothing here decides where a request goes: that is `gateway/`. What is made up is what stands around it: clients that
arrive, targets that answer, fail or are slow as a scenario says, a clock and dice. No network, no real waiting.
"""
