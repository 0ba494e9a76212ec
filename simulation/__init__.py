"""The promises of delivery and of revocation, tried on thousands of seeds: `python -m simulation --seeds 2000`.

The real code runs: outbox, relay with pulse and bookmarks, JetStream bus and reader, inbox, projector, follower and
revocation view, over SQLite in memory. Three things are models, and each of them takes every choice from the seed: time
(`loop`), the bus with its network (`server`, `network`), and the processes' being killed (`processes`). `world` brings
the faults and checks the promises every fifth of a second; `mutations` breaks the real code, one line at a time, to
show that this would be noticed.
"""
