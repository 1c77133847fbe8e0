"""Classic groups: the leader among the members assigns the partitions (JoinGroup, SyncGroup, Heartbeat, LeaveGroup).

Facts follow the group coordinator of Apache Kafka 4.2 (its package `coordinator.group.classic`), with static members
(KIP-345), member ids that are handed out first (KIP-394) and leaders that skip the assignment (KIP-814).
"""
