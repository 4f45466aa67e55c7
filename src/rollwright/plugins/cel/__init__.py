"""Expressions of CEL: what checks wait for, what policies and custom kinds demand.

``compiling`` says what is wrong with a text; ``worker`` has expressions evaluated by a process
with limits, ``child`` is that process. Nothing is imported here: the library takes its time.
"""
