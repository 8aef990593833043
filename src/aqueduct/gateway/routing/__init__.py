"""What decides where a request goes: the order of targets, their health, budgets for asking again.

Everything here is pure: the time and the dice are handed in, so that a simulation can drive it under a clock of its
own. The one loop that asks is `gateway/route.py`; what talks to the network is `checks.py` alone.
"""
