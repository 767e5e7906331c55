"""
This package plays the engine in simulated time, with seeded faults, and judges what stands at the end.

Two rigs share the outside world: `kernel` drives the pure engine through a model of our database, in
thousands of small worlds; `orm` drives the real worker on SQLite in memory. `bugs` plants mistakes that
the rigs have to find. A seed tells a world completely.
"""
