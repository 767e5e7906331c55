"""
This package tries flows out: the real engine, in a world in which nothing can be changed.

Nothing in it reaches the gateway but `connectors.reading`, which refuses what writes; import contracts see to
that. Steps that would write or start something are answered as if they had, and what they asked is shown.
"""
