"""The rules of transactions: who produces under a transactional id, what its transaction consists of, how it ends.

`coordinator.TransactionCoordinator` is what the runtime calls. It is a pure machine: no clock, no randomness, no tasks,
no records. Every call takes the moment it happens at, and answers with a `Decision`: facts to write down, markers to be
written into logs, and a reply.

`markers` are not written here: what a marker does to a log is a rule of `chronik.log`.
"""
