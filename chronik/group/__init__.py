"""The rules of consumer groups: who is a member, who gets which partitions, and where each group stands.

`coordinator.GroupCoordinator` is what the runtime calls. It is a pure machine: no clock, no randomness, no tasks. Every
call takes the moment it happens at, and answers with a `Decision`: facts to write down, a reply or a ticket under which
the reply comes later, and the replies of earlier calls that can go out now.

`classic/` is the protocol of JoinGroup, SyncGroup, Heartbeat and LeaveGroup; `offsets` and `expiry` are the committed
offsets, which every type of group has.
"""
