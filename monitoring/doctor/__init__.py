"""
This package examines an installation: each check says what it found, how grave that is, and what to do.

One table of checks (`monitoring.doctor.table`) stands behind `manage.py doctor`, the page "Status" and the
REST interface. A check reads; none of them changes anything or calls another system, unless it is asked to.
"""
