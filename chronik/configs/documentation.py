"""What DescribeConfigs says about each config. Read on demand: most brokers are never asked."""

from __future__ import annotations

from collections.abc import Mapping

TOPIC: Mapping[str, str] = {
    "segment.bytes": "Size at which a partition's segment ends. Retention and compaction work on whole segments.",
    "segment.ms": "Age at which a segment ends even if it is not full, so that its records can expire or be compacted.",
    "segment.jitter.ms": "Up to this much is taken off segment.ms at random, so that segments do not all end at once.",
    "segment.index.bytes": "Size of a segment's index file. Kept for tools: this broker has no index files.",
    "flush.messages": "Number of records after which a partition's writes are forced to disk.",
    "flush.ms": "Longest time that a partition's writes may wait before they are forced to disk.",
    "retention.bytes": "Size above which a partition drops its oldest segments, if its policy is delete. -1: none.",
    "retention.ms": "Age above which records are dropped, if the policy is delete. -1 keeps them for ever.",
    "max.message.bytes": "Largest record batch that the topic takes, measured as it is stored, that is compressed.",
    "index.interval.bytes": "Bytes of records between index entries. Kept for tools: this broker has no index files.",
    "delete.retention.ms": (
        "Time for which compaction keeps a tombstone, so that a consumer reading from the start has a chance to see it."
    ),
    "min.compaction.lag.ms": "Youngest age at which a record may be compacted away.",
    "max.compaction.lag.ms": "Oldest age at which a record must have been looked at by compaction.",
    "file.delete.delay.ms": "Time between dropping a segment and deleting its file.",
    "min.cleanable.dirty.ratio": "Share of a log that must not have been compacted yet for compaction to take it up.",
    "cleanup.policy": (
        "What happens to old records: delete drops them by age and size, compact keeps the newest of each key. "
        "Both together do both, and an empty list keeps everything."
    ),
    "unclean.leader.election.enable": (
        "Whether a replica that is behind may become the leader, at the price of losing records. "
        "Without meaning on a single broker."
    ),
    "min.insync.replicas": "Replicas that must have a batch before a producer with acks=all is told so.",
    "compression.type": (
        "Codec in which batches are stored. producer keeps what the producer chose, uncompressed stores them plain."
    ),
    "compression.gzip.level": "Level when compression.type is gzip; -1 is the library's own default.",
    "compression.lz4.level": "Level when compression.type is lz4.",
    "compression.zstd.level": "Level when compression.type is zstd; negative levels are faster and larger.",
    "preallocate": "Whether a segment's file is made at full size. Kept for tools: this broker has no segment files.",
    "message.timestamp.type": "Whose clock a record's timestamp is: the producer's (CreateTime) or the broker's.",
    "message.timestamp.before.max.ms": "How far a record's timestamp may lie behind the broker's clock.",
    "message.timestamp.after.max.ms": "How far a record's timestamp may lie ahead of the broker's clock.",
    "leader.replication.throttled.replicas": "Replicas whose outgoing replication is throttled, or * for all.",
    "follower.replication.throttled.replicas": "Replicas whose incoming replication is throttled, or * for all.",
    "remote.storage.enable": "Whether old segments move to remote storage. This broker has none: only false is taken.",
    "local.retention.ms": "Age above which records leave the local disk for remote storage. -2: retention.ms.",
    "local.retention.bytes": "Size above which records leave the local disk for remote storage. -2: retention.bytes.",
    "remote.log.copy.disable": "Whether copying to remote storage is stopped.",
    "remote.log.delete.on.disable": "Whether what is in remote storage is deleted when remote storage is switched off.",
}

GROUP: Mapping[str, str] = {
    "consumer.session.timeout.ms": "Silence after which a member of a consumer group is taken to be gone.",
    "consumer.heartbeat.interval.ms": "How often a member of a consumer group is told to send a heartbeat.",
    "share.session.timeout.ms": "Silence after which a member of a share group is taken to be gone.",
    "share.heartbeat.interval.ms": "How often a member of a share group is told to send a heartbeat.",
    "share.record.lock.duration.ms": "Time that a member of a share group has for a record before it goes to another.",
    "share.auto.offset.reset": (
        "Where a share group without a position begins: earliest, latest, or by_duration: with an ISO-8601 duration "
        "that counts back from now."
    ),
    "share.isolation.level": "Whether a share group sees records of transactions that have not been committed.",
    "streams.session.timeout.ms": "Silence after which a member of a streams group is taken to be gone.",
    "streams.heartbeat.interval.ms": "How often a member of a streams group is told to send a heartbeat.",
    "streams.num.standby.replicas": "Copies of each task's state that a streams group keeps warm.",
    "streams.initial.rebalance.delay.ms": "How long a streams group waits for more members before it begins.",
}

BROKER: Mapping[str, str] = {
    "broker.id": "The broker's number, under the name that it had before node.id.",
    "node.id": "The number of this broker in the cluster.",
    "process.roles": "What this process is: a broker, a controller, or both.",
    "broker.rack": "The rack or zone that the broker reports, for clients that fetch from the nearest replica.",
    "listeners": "The addresses on which the broker accepts connections.",
    "advertised.listeners": "The addresses that clients are told to use; the listeners when not set.",
    "listener.security.protocol.map": "The security protocol of each listener's name.",
    "inter.broker.listener.name": "The listener that brokers use among themselves.",
    "security.inter.broker.protocol": "The security protocol that brokers use among themselves.",
    "authorizer.class.name": "The authorizer that decides who may do what; none when empty.",
    "sasl.enabled.mechanisms": "The SASL mechanisms with which clients may authenticate.",
    "num.io.threads": "Threads that handle requests. Kept for tools: this broker handles them on one event loop.",
    "num.network.threads": "Threads that read and write sockets. Kept for tools: this broker uses one event loop.",
    "background.threads": "Threads for background work. Kept for tools: this broker chooses by itself.",
    "num.replica.fetchers": "Threads that copy from other brokers. Kept for tools: there are no others.",
    "num.recovery.threads.per.data.dir": "Threads that load the logs at start and flush them at the end.",
    "auto.create.topics.enable": "Whether asking for the metadata of a topic that is missing creates it.",
    "delete.topic.enable": "Whether topics can be deleted.",
    "num.partitions": "Partitions of a topic that is created without saying how many.",
    "default.replication.factor": "Replicas of a topic that is created without saying how many.",
    "auto.leader.rebalance.enable": "Whether leadership moves back to the preferred replica by itself.",
    "socket.request.max.bytes": "Largest request that is read.",
    "connections.max.idle.ms": "Silence after which a connection is closed.",
    "max.connections": "Connections that the broker accepts at the same time.",
    "max.connections.per.ip": "Connections that the broker accepts at the same time from one address.",
    "max.connections.per.ip.overrides": "Other limits for single hosts, as host:count separated by commas.",
    "max.connection.creation.rate": "New connections a second that the broker accepts.",
    "fetch.max.bytes": "Largest answer to one fetch, if its first batch is not larger by itself.",
    "max.incremental.fetch.session.cache.slots": "Incremental fetch sessions that are kept at the same time.",
    "max.request.partition.size.limit": "Partitions that one request to describe topics is answered with at most.",
    "log.dir": "Data directory, where log.dirs is not set.",
    "log.dirs": "The directories that hold the broker's data.",
    "log.retention.check.interval.ms": "How often logs are checked for records that have expired.",
    "log.cleaner.enable": "Whether compaction runs at all.",
    "log.cleaner.threads": "Threads that compact.",
    "log.cleaner.backoff.ms": "Pause of the compaction when there is nothing to compact.",
    "log.cleaner.dedupe.buffer.size": "Memory for the keys of what is being compacted.",
    "log.cleaner.io.buffer.size": "Memory for the records of what is being compacted.",
    "log.cleaner.io.buffer.load.factor": "How full the memory for keys may get.",
    "log.cleaner.io.max.bytes.per.second": "Most bytes a second that compaction reads and writes.",
    "group.min.session.timeout.ms": "Shortest session timeout that a classic group's member may ask for.",
    "group.max.session.timeout.ms": "Longest session timeout that a classic group's member may ask for.",
    "group.initial.rebalance.delay.ms": "How long an empty classic group waits for more members before it begins.",
    "group.max.size": "Members that a classic group may have.",
    "group.coordinator.rebalance.protocols": "The kinds of groups that the broker coordinates.",
    "group.consumer.max.size": "Members that a consumer group may have.",
    "group.consumer.assignors": "The assignors for consumer groups, the default first.",
    "group.consumer.migration.policy": "Which way a group may change between the classic and the consumer protocol.",
    "group.streams.max.standby.replicas": "Greatest value that a group may set streams.num.standby.replicas to.",
    "offset.metadata.max.bytes": "Longest text that may be committed with an offset.",
    "offsets.retention.minutes": "Time after which an idle group's committed offsets are forgotten.",
    "offsets.retention.check.interval.ms": "How often committed offsets are checked for being too old.",
    "offsets.topic.replication.factor": "Replicas of committed offsets. On a single broker, one.",
    "offsets.topic.num.partitions": "Partitions of Kafka's topic for committed offsets, which is a table here.",
    "offsets.topic.segment.bytes": "Segment size of Kafka's topic for committed offsets, which is a table here.",
    "offsets.topic.compression.codec": "Codec of Kafka's topic for committed offsets, which is a table here.",
    "transaction.max.timeout.ms": "Longest transaction timeout that a producer may ask for.",
    "transactional.id.expiration.ms": "Idle time after which a transactional id is forgotten.",
    "transaction.abort.timed.out.transaction.cleanup.interval.ms": "How often open transactions are looked at.",
    "transaction.remove.expired.transaction.cleanup.interval.ms": "How often idle transactional ids are looked for.",
    "transaction.partition.verification.enable": "Whether a transactional write must belong to an open transaction.",
    "transaction.two.phase.commit.enable": "Whether a producer may prepare a transaction and complete it much later.",
    "transaction.state.log.replication.factor": "Replicas of transactions. On a single broker, one.",
    "transaction.state.log.min.isr": "Replicas that must have a transaction's state. On a single broker, one.",
    "transaction.state.log.num.partitions": "Partitions of Kafka's topic for transactions, which is a table here.",
    "transaction.state.log.segment.bytes": "Segment size of Kafka's topic for transactions, which is a table here.",
    "leader.replication.throttled.rate": "Most bytes a second that throttled leaders send. There are none here.",
    "follower.replication.throttled.rate": "Most bytes a second that throttled followers take. There are none here.",
    "replica.alter.log.dirs.io.max.bytes.per.second": "Most bytes a second that move between data directories.",
    "producer.id.expiration.ms": "Time after its last write at which a partition forgets a producer.",
}

_GROUP_BOUND = {"min": "Least", "max": "Greatest"}


def of(name: str, default_of: str | None) -> str:
    """The sentences about a config; `default_of` is the topic config whose default it is, if it is one's.

    What gives or bounds a group's config is named for it: group.share.min.session.timeout.ms.
    """
    for sentences in (TOPIC, GROUP, BROKER):
        if name in sentences:
            return sentences[name]
    if default_of is not None:
        return f"Default for topics that do not set {default_of} themselves."
    kind, _, rest = name.removeprefix("group.").partition(".")
    bound, _, bounded = rest.partition(".")
    if bound in _GROUP_BOUND:
        return f"{_GROUP_BOUND[bound]} value that a group may set {kind}.{bounded} to."
    return f"Default for groups that do not set {kind}.{rest} themselves."
