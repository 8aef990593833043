"""What limits and budgets are counted with: claims reserved in one atomic step, settled to the truth afterwards.

`contract.py` says what counters do, `memory.py` does it in one process and `valkey.py` for all processes that share a
Valkey server; `guard.py` decides what happens while that server is away. Which limits apply to whom, what a refusal
looks like on the wire and where the sums of a budget come from is no business of this room.
"""
