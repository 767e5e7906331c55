"""
This package says what a change of an object means for the flows that use it, and what would mend them.

Which lines of which flows are concerned, how many recent events would fail, and edits of the draft that
would keep them from it. Nothing goes live by itself, and nothing is written anywhere but here.
"""
