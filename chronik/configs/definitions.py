"""Every config by its Kafka name: type, default, what is allowed, and whose default it is.

The tables stand in Kafka's own order, because of several bad values the first in that order is the one reported. Types,
defaults and ranges are Kafka 4.2's. `documentation` has the sentences.

Broker configs of Kafka that a single broker without tiered storage, controller quorum or Java classes does not have are
not in the table; they are known by prefix, so that setting one is refused and not taken for a plugin's own name.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from chronik.configs.values import Allowed, ConfigType, Form, OneOf, Range, Value, parse_value, print_value

BOOLEAN, STRING, INT, SHORT = ConfigType.BOOLEAN, ConfigType.STRING, ConfigType.INT, ConfigType.SHORT
LONG, DOUBLE, LIST = ConfigType.LONG, ConfigType.DOUBLE, ConfigType.LIST

_POLICIES = OneOf(("compact", "delete"))
_CODECS = OneOf(("uncompressed", "zstd", "lz4", "snappy", "gzip", "producer"))
_TIMESTAMP_TYPES = OneOf(("CreateTime", "LogAppendTime"))
_SECURITY = OneOf(("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"))
_PROTOCOLS = OneOf(("consumer", "classic", "share", "streams"))
_MIGRATION = OneOf(("disabled", "downgrade", "upgrade", "bidirectional"))
_LONG_MAX = "9223372036854775807"
_INT_MAX = "2147483647"
_BY_NAME = "SASL_SSL:SASL_SSL,PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_PLAINTEXT:SASL_PLAINTEXT"


@dataclass(frozen=True, slots=True)
class Definition:
    """One config. `default` is the text that Kafka prints, None when there is none.

    `synonyms` are the broker configs that give a topic's default, most specific first: where the first is not set, the
    next one counts, in its own unit. `dynamic` says of a broker config that it can be altered at run time; a config
    that is not `listed` is described only where somebody has set it.
    """

    name: str
    type: ConfigType
    default: str | None
    allowed: Allowed | None = None
    synonyms: tuple[str, ...] = ()
    dynamic: bool = True
    listed: bool = True

    @property
    def sensitive(self) -> bool:
        """Whether the value is never shown."""
        return self.type is ConfigType.PASSWORD

    def parse(self, text: str) -> Value:
        """The typed value of a text; INVALID_CONFIG when it is none."""
        return parse_value(self.name, self.type, self.allowed, text)

    def normalise(self, text: str) -> str:
        """The text as it is shown: without blanks, "true" for "TRUE", each member of a set once."""
        return print_value(parse_value(self.name, self.type, self.allowed, text))


def _table(definitions: Iterable[Definition]) -> Mapping[str, Definition]:
    return {definition.name: definition for definition in definitions}


def _topic(name: str, type_: ConfigType, default: str, allowed: Allowed | None, *synonyms: str) -> Definition:
    return Definition(name, type_, default, allowed, synonyms)


def _fixed(name: str, type_: ConfigType, default: str | None, allowed: Allowed | None = None) -> Definition:
    return Definition(name, type_, default, allowed, dynamic=False)


def _dynamic(name: str, type_: ConfigType, default: str | None, allowed: Allowed | None = None) -> Definition:
    return Definition(name, type_, default, allowed)


def _throttle(name: str) -> Definition:
    return Definition(name, LONG, None, Range(0), listed=False)


TOPIC: Mapping[str, Definition] = _table(
    (
        _topic("segment.bytes", INT, "1073741824", Range(1048576), "log.segment.bytes"),
        _topic("segment.ms", LONG, "604800000", Range(1), "log.roll.ms", "log.roll.hours"),
        _topic("segment.jitter.ms", LONG, "0", Range(0), "log.roll.jitter.ms", "log.roll.jitter.hours"),
        _topic("segment.index.bytes", INT, "10485760", Range(4), "log.index.size.max.bytes"),
        _topic("flush.messages", LONG, _LONG_MAX, Range(1), "log.flush.interval.messages"),
        _topic("flush.ms", LONG, _LONG_MAX, Range(0), "log.flush.interval.ms", "log.flush.scheduler.interval.ms"),
        _topic("retention.bytes", LONG, "-1", None, "log.retention.bytes"),
        Definition(
            *("retention.ms", LONG, "604800000", Range(-1)),
            synonyms=("log.retention.ms", "log.retention.minutes", "log.retention.hours"),
        ),
        _topic("max.message.bytes", INT, "1048588", Range(0), "message.max.bytes"),
        _topic("index.interval.bytes", INT, "4096", Range(0), "log.index.interval.bytes"),
        _topic("delete.retention.ms", LONG, "86400000", Range(0), "log.cleaner.delete.retention.ms"),
        _topic("min.compaction.lag.ms", LONG, "0", Range(0), "log.cleaner.min.compaction.lag.ms"),
        _topic("max.compaction.lag.ms", LONG, _LONG_MAX, Range(1), "log.cleaner.max.compaction.lag.ms"),
        _topic("file.delete.delay.ms", LONG, "60000", Range(0), "log.segment.delete.delay.ms"),
        _topic("min.cleanable.dirty.ratio", DOUBLE, "0.5", Range(0, 1), "log.cleaner.min.cleanable.ratio"),
        _topic("cleanup.policy", LIST, "delete", _POLICIES, "log.cleanup.policy"),
        _topic("unclean.leader.election.enable", BOOLEAN, "false", None, "unclean.leader.election.enable"),
        _topic("min.insync.replicas", INT, "1", Range(1), "min.insync.replicas"),
        _topic("compression.type", STRING, "producer", _CODECS, "compression.type"),
        _topic("compression.gzip.level", INT, "-1", Range(1, 9, also=-1), "compression.gzip.level"),
        _topic("compression.lz4.level", INT, "9", Range(1, 17), "compression.lz4.level"),
        _topic("compression.zstd.level", INT, "3", Range(-131072, 22), "compression.zstd.level"),
        _topic("preallocate", BOOLEAN, "false", None, "log.preallocate"),
        _topic("message.timestamp.type", STRING, "CreateTime", _TIMESTAMP_TYPES, "log.message.timestamp.type"),
        _topic("message.timestamp.before.max.ms", LONG, _LONG_MAX, Range(0), "log.message.timestamp.before.max.ms"),
        _topic("message.timestamp.after.max.ms", LONG, "3600000", Range(0), "log.message.timestamp.after.max.ms"),
        _topic("leader.replication.throttled.replicas", LIST, "", Form.REPLICAS),
        _topic("follower.replication.throttled.replicas", LIST, "", Form.REPLICAS),
        _topic("remote.storage.enable", BOOLEAN, "false", None),
        _topic("local.retention.ms", LONG, "-2", Range(-2), "log.local.retention.ms"),
        _topic("local.retention.bytes", LONG, "-2", Range(-2), "log.local.retention.bytes"),
        _topic("remote.log.copy.disable", BOOLEAN, "false", None),
        _topic("remote.log.delete.on.disable", BOOLEAN, "false", None),
    )
)

GROUP: Mapping[str, Definition] = _table(
    (
        Definition("consumer.session.timeout.ms", INT, "45000", Range(1)),
        Definition("consumer.heartbeat.interval.ms", INT, "5000", Range(1)),
        Definition("share.session.timeout.ms", INT, "45000", Range(1)),
        Definition("share.heartbeat.interval.ms", INT, "5000", Range(1)),
        Definition("share.record.lock.duration.ms", INT, "30000", Range(1000)),
        Definition("share.auto.offset.reset", STRING, "latest", Form.OFFSET_RESET),
        Definition("share.isolation.level", STRING, "read_uncommitted", OneOf(("read_committed", "read_uncommitted"))),
        Definition("streams.session.timeout.ms", INT, "45000", Range(1)),
        Definition("streams.heartbeat.interval.ms", INT, "5000", Range(1)),
        Definition("streams.num.standby.replicas", INT, "0", Range(0)),
        Definition("streams.initial.rebalance.delay.ms", INT, "3000", Range(0)),
    )
)
"""A group's configs (KIP-848). `group.` before a name makes the broker config that is its default, if there is one."""

BROKER: Mapping[str, Definition] = _table(
    (
        _throttle("leader.replication.throttled.rate"),
        _throttle("follower.replication.throttled.rate"),
        _throttle("replica.alter.log.dirs.io.max.bytes.per.second"),
        _dynamic("log.local.retention.ms", LONG, "-2", Range(-2)),
        _dynamic("log.local.retention.bytes", LONG, "-2", Range(-2)),
        _fixed("broker.id", INT, "-1"),
        _dynamic("message.max.bytes", INT, "1048588", Range(0)),
        _dynamic("num.io.threads", INT, "8", Range(1)),
        _dynamic("background.threads", INT, "10", Range(1)),
        _fixed("authorizer.class.name", STRING, ""),
        _fixed("broker.rack", STRING, None),
        _fixed("delete.topic.enable", BOOLEAN, "true"),
        _dynamic("compression.type", STRING, "producer", _CODECS),
        _dynamic("compression.gzip.level", INT, "-1", Range(1, 9, also=-1)),
        _dynamic("compression.lz4.level", INT, "9", Range(1, 17)),
        _dynamic("compression.zstd.level", INT, "3", Range(-131072, 22)),
        _fixed("max.incremental.fetch.session.cache.slots", INT, "1000", Range(0)),
        _fixed("fetch.max.bytes", INT, "57671680", Range(1024)),
        _fixed("max.request.partition.size.limit", INT, "2000", Range(1)),
        _fixed("process.roles", LIST, None, OneOf(("broker", "controller"))),
        _fixed("node.id", INT, None, Range(0)),
        _fixed("listeners", LIST, "PLAINTEXT://:9092"),
        _fixed("advertised.listeners", LIST, None),
        _fixed("listener.security.protocol.map", STRING, _BY_NAME),
        _fixed("socket.request.max.bytes", INT, "104857600", Range(1)),
        _dynamic("max.connections.per.ip", INT, _INT_MAX, Range(0)),
        _dynamic("max.connections.per.ip.overrides", STRING, "", Form.HOST_COUNTS),
        _dynamic("max.connections", INT, _INT_MAX, Range(0)),
        _dynamic("max.connection.creation.rate", INT, _INT_MAX, Range(0)),
        _fixed("connections.max.idle.ms", LONG, "600000"),
        _dynamic("num.network.threads", INT, "3", Range(1)),
        _fixed("default.replication.factor", INT, "1"),
        _dynamic("num.replica.fetchers", INT, "1", Range(1)),
        _fixed("auto.leader.rebalance.enable", BOOLEAN, "true"),
        _dynamic("unclean.leader.election.enable", BOOLEAN, "false"),
        _fixed("security.inter.broker.protocol", STRING, "PLAINTEXT", _SECURITY),
        _fixed("inter.broker.listener.name", STRING, None),
        _fixed("group.coordinator.rebalance.protocols", LIST, "classic,consumer,streams", _PROTOCOLS),
        _fixed("offsets.topic.replication.factor", SHORT, "3", Range(1)),
        _fixed("offsets.topic.num.partitions", INT, "50", Range(1)),
        _fixed("offsets.topic.segment.bytes", INT, "104857600", Range(1)),
        _fixed("offsets.topic.compression.codec", INT, "0"),
        _fixed("offset.metadata.max.bytes", INT, "4096"),
        _fixed("offsets.retention.minutes", INT, "10080", Range(1)),
        _fixed("offsets.retention.check.interval.ms", LONG, "600000", Range(1)),
        _fixed("group.min.session.timeout.ms", INT, "6000"),
        _fixed("group.max.session.timeout.ms", INT, "1800000"),
        _fixed("group.initial.rebalance.delay.ms", INT, "3000"),
        _fixed("group.max.size", INT, _INT_MAX, Range(1)),
        _fixed("group.consumer.session.timeout.ms", INT, "45000", Range(1)),
        _fixed("group.consumer.min.session.timeout.ms", INT, "45000", Range(1)),
        _fixed("group.consumer.max.session.timeout.ms", INT, "60000", Range(1)),
        _fixed("group.consumer.heartbeat.interval.ms", INT, "5000", Range(1)),
        _fixed("group.consumer.min.heartbeat.interval.ms", INT, "5000", Range(1)),
        _fixed("group.consumer.max.heartbeat.interval.ms", INT, "15000", Range(1)),
        _fixed("group.consumer.max.size", INT, _INT_MAX, Range(1)),
        _fixed("group.consumer.assignors", LIST, "uniform,range"),
        _fixed("group.consumer.migration.policy", STRING, "bidirectional", _MIGRATION),
        _fixed("group.share.session.timeout.ms", INT, "45000", Range(1)),
        _fixed("group.share.min.session.timeout.ms", INT, "45000", Range(1)),
        _fixed("group.share.max.session.timeout.ms", INT, "60000", Range(1)),
        _fixed("group.share.heartbeat.interval.ms", INT, "5000", Range(1)),
        _fixed("group.share.min.heartbeat.interval.ms", INT, "5000", Range(1)),
        _fixed("group.share.max.heartbeat.interval.ms", INT, "15000", Range(1)),
        _fixed("group.streams.session.timeout.ms", INT, "45000", Range(1)),
        _fixed("group.streams.min.session.timeout.ms", INT, "45000", Range(1)),
        _fixed("group.streams.max.session.timeout.ms", INT, "60000", Range(1)),
        _fixed("group.streams.heartbeat.interval.ms", INT, "5000", Range(1)),
        _fixed("group.streams.min.heartbeat.interval.ms", INT, "5000", Range(1)),
        _fixed("group.streams.max.heartbeat.interval.ms", INT, "15000", Range(1)),
        _fixed("group.streams.num.standby.replicas", INT, "0", Range(0)),
        _fixed("group.streams.max.standby.replicas", INT, "2", Range(0)),
        _fixed("group.streams.initial.rebalance.delay.ms", INT, "3000", Range(0)),
        _dynamic("log.cleaner.threads", INT, "1", Range(0)),
        _dynamic("log.cleaner.io.max.bytes.per.second", DOUBLE, "1.7976931348623157E308"),
        _dynamic("log.cleaner.dedupe.buffer.size", LONG, "134217728"),
        _dynamic("log.cleaner.io.buffer.size", INT, "524288", Range(0)),
        _dynamic("log.cleaner.io.buffer.load.factor", DOUBLE, "0.9"),
        _dynamic("log.cleaner.backoff.ms", LONG, "15000", Range(0)),
        _dynamic("log.cleaner.min.cleanable.ratio", DOUBLE, "0.5", Range(0, 1)),
        _fixed("log.cleaner.enable", BOOLEAN, "true"),
        _dynamic("log.cleaner.delete.retention.ms", LONG, "86400000", Range(0)),
        _dynamic("log.cleaner.min.compaction.lag.ms", LONG, "0", Range(0)),
        _dynamic("log.cleaner.max.compaction.lag.ms", LONG, _LONG_MAX, Range(1)),
        _fixed("num.partitions", INT, "1", Range(1)),
        _fixed("log.dir", LIST, "/tmp/kafka-logs"),
        _fixed("log.dirs", LIST, None),
        _dynamic("log.segment.bytes", INT, "1073741824", Range(1048576)),
        _dynamic("log.roll.ms", LONG, None),
        _fixed("log.roll.hours", INT, "168", Range(1)),
        _dynamic("log.roll.jitter.ms", LONG, None),
        _fixed("log.roll.jitter.hours", INT, "0", Range(0)),
        _dynamic("log.retention.ms", LONG, None),
        _fixed("log.retention.minutes", INT, None),
        _fixed("log.retention.hours", INT, "168"),
        _dynamic("log.retention.bytes", LONG, "-1"),
        _fixed("log.retention.check.interval.ms", LONG, "300000", Range(1)),
        _dynamic("log.cleanup.policy", LIST, "delete", _POLICIES),
        _dynamic("log.index.size.max.bytes", INT, "10485760", Range(4)),
        _dynamic("log.index.interval.bytes", INT, "4096", Range(0)),
        _dynamic("log.flush.interval.messages", LONG, _LONG_MAX, Range(1)),
        _dynamic("log.segment.delete.delay.ms", LONG, "60000", Range(0)),
        _fixed("log.flush.scheduler.interval.ms", LONG, _LONG_MAX),
        _dynamic("log.flush.interval.ms", LONG, None),
        _dynamic("log.preallocate", BOOLEAN, "false"),
        _dynamic("num.recovery.threads.per.data.dir", INT, "2", Range(1)),
        _fixed("auto.create.topics.enable", BOOLEAN, "true"),
        _dynamic("min.insync.replicas", INT, "1", Range(1)),
        _dynamic("log.message.timestamp.type", STRING, "CreateTime", _TIMESTAMP_TYPES),
        _dynamic("log.message.timestamp.before.max.ms", LONG, _LONG_MAX, Range(0)),
        _dynamic("log.message.timestamp.after.max.ms", LONG, "3600000", Range(0)),
        _fixed("group.share.record.lock.duration.ms", INT, "30000", Range(1000, 3600000)),
        _fixed("group.share.min.record.lock.duration.ms", INT, "15000", Range(1000, 30000)),
        _fixed("group.share.max.record.lock.duration.ms", INT, "60000", Range(30000, 3600000)),
        _fixed("transaction.state.log.min.isr", INT, "2", Range(1)),
        _fixed("transaction.state.log.replication.factor", SHORT, "3", Range(1)),
        _fixed("transaction.state.log.num.partitions", INT, "50", Range(1)),
        _fixed("transaction.state.log.segment.bytes", INT, "104857600", Range(1)),
        _dynamic("transaction.partition.verification.enable", BOOLEAN, "true"),
        _dynamic("producer.id.expiration.ms", INT, "86400000", Range(1)),
        _fixed("transactional.id.expiration.ms", INT, "604800000", Range(1)),
        _fixed("transaction.max.timeout.ms", INT, "900000", Range(1)),
        _fixed("transaction.abort.timed.out.transaction.cleanup.interval.ms", INT, "10000", Range(1)),
        _fixed("transaction.remove.expired.transaction.cleanup.interval.ms", INT, "3600000", Range(1)),
        _fixed("transaction.two.phase.commit.enable", BOOLEAN, "false"),
        _fixed("sasl.enabled.mechanisms", LIST, "GSSAPI"),
    )
)
"""The broker's configs. Kafka also lets listeners, listener.security.protocol.map and sasl.enabled.mechanisms be
altered at run time; here they are read-only, because a change would be taken and not done."""

_PREFIXES_OF_KAFKA = (
    *("add.partitions.", "alter.", "broker.heartbeat.", "broker.session.", "client.quota."),
    *("config.providers", "connection.", "connections.max.reauth.", "controlled.", "controller."),
    *("create.topic.", "delegation.", "delete.records.", "early.", "fetch.purgatory.", "group."),
    *("initial.broker.", "kafka.metrics.", "leader.imbalance.", "listener.name.", "log.dir.failure."),
    *("log.flush.", "metadata.", "metric", "num.replica.", "offsets.", "principal."),
    *("producer.purgatory.", "queued.", "quota.", "remote.", "replica.", "replication."),
    *("request.timeout.", "sasl.", "security.", "share.", "socket.", "ssl."),
    *("telemetry.", "transaction.state."),
)


def can_alter(name: str) -> bool:
    """Whether a broker config can be altered at run time. Names that Kafka does not know can: they are a plugin's."""
    definition = BROKER.get(name)
    return definition.dynamic if definition is not None else not name.startswith(_PREFIXES_OF_KAFKA)
