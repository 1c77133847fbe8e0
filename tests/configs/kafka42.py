"""What Apache Kafka 4.2 said: its configs as it describes them, recorded from a running broker and its own tables.

A row is name, type, default ("-" for none, two quotes for an empty text), for a topic the broker configs that give
its default, and for a broker config "dynamic" or "fixed": whether Kafka alters it at run time.
"""

from __future__ import annotations

import re
from typing import NamedTuple


class Recorded(NamedTuple):
    """One config of Kafka's."""

    name: str
    type: str
    default: str | None
    rest: tuple[str, ...]


def _rows(table: str) -> list[Recorded]:
    rows = []
    for line in table.strip().splitlines():
        name, type_, default, *rest = line.split()
        rows.append(Recorded(name, type_, {"-": None, '""': ""}.get(default, default), tuple(rest)))
    return rows


TOPIC = _rows("""
segment.bytes INT 1073741824 log.segment.bytes
segment.ms LONG 604800000 log.roll.ms log.roll.hours
segment.jitter.ms LONG 0 log.roll.jitter.ms log.roll.jitter.hours
segment.index.bytes INT 10485760 log.index.size.max.bytes
flush.messages LONG 9223372036854775807 log.flush.interval.messages
flush.ms LONG 9223372036854775807 log.flush.interval.ms log.flush.scheduler.interval.ms
retention.bytes LONG -1 log.retention.bytes
retention.ms LONG 604800000 log.retention.ms log.retention.minutes log.retention.hours
max.message.bytes INT 1048588 message.max.bytes
index.interval.bytes INT 4096 log.index.interval.bytes
delete.retention.ms LONG 86400000 log.cleaner.delete.retention.ms
min.compaction.lag.ms LONG 0 log.cleaner.min.compaction.lag.ms
max.compaction.lag.ms LONG 9223372036854775807 log.cleaner.max.compaction.lag.ms
file.delete.delay.ms LONG 60000 log.segment.delete.delay.ms
min.cleanable.dirty.ratio DOUBLE 0.5 log.cleaner.min.cleanable.ratio
cleanup.policy LIST delete log.cleanup.policy
unclean.leader.election.enable BOOLEAN false unclean.leader.election.enable
min.insync.replicas INT 1 min.insync.replicas
compression.type STRING producer compression.type
compression.gzip.level INT -1 compression.gzip.level
compression.lz4.level INT 9 compression.lz4.level
compression.zstd.level INT 3 compression.zstd.level
preallocate BOOLEAN false log.preallocate
message.timestamp.type STRING CreateTime log.message.timestamp.type
message.timestamp.before.max.ms LONG 9223372036854775807 log.message.timestamp.before.max.ms
message.timestamp.after.max.ms LONG 3600000 log.message.timestamp.after.max.ms
leader.replication.throttled.replicas LIST ""
follower.replication.throttled.replicas LIST ""
remote.storage.enable BOOLEAN false
local.retention.ms LONG -2 log.local.retention.ms
local.retention.bytes LONG -2 log.local.retention.bytes
remote.log.copy.disable BOOLEAN false
remote.log.delete.on.disable BOOLEAN false
""")

GROUP = _rows("""
consumer.session.timeout.ms INT 45000
consumer.heartbeat.interval.ms INT 5000
share.session.timeout.ms INT 45000
share.heartbeat.interval.ms INT 5000
share.record.lock.duration.ms INT 30000
share.auto.offset.reset STRING latest
share.isolation.level STRING read_uncommitted
streams.session.timeout.ms INT 45000
streams.heartbeat.interval.ms INT 5000
streams.num.standby.replicas INT 0
streams.initial.rebalance.delay.ms INT 3000
""")

BROKER = _rows("""
log.local.retention.ms LONG -2 dynamic
log.local.retention.bytes LONG -2 dynamic
broker.id INT -1 fixed
message.max.bytes INT 1048588 dynamic
num.io.threads INT 8 dynamic
background.threads INT 10 dynamic
authorizer.class.name STRING "" fixed
broker.rack STRING - fixed
delete.topic.enable BOOLEAN true fixed
compression.type STRING producer dynamic
compression.gzip.level INT -1 dynamic
compression.lz4.level INT 9 dynamic
compression.zstd.level INT 3 dynamic
max.incremental.fetch.session.cache.slots INT 1000 fixed
fetch.max.bytes INT 57671680 fixed
max.request.partition.size.limit INT 2000 fixed
process.roles LIST - fixed
node.id INT - fixed
listeners LIST PLAINTEXT://:9092 dynamic
advertised.listeners LIST - fixed
socket.request.max.bytes INT 104857600 fixed
max.connections.per.ip INT 2147483647 dynamic
max.connections.per.ip.overrides STRING "" dynamic
max.connections INT 2147483647 dynamic
max.connection.creation.rate INT 2147483647 dynamic
connections.max.idle.ms LONG 600000 fixed
num.network.threads INT 3 dynamic
default.replication.factor INT 1 fixed
num.replica.fetchers INT 1 dynamic
auto.leader.rebalance.enable BOOLEAN true fixed
unclean.leader.election.enable BOOLEAN false dynamic
security.inter.broker.protocol STRING PLAINTEXT fixed
inter.broker.listener.name STRING - fixed
group.coordinator.rebalance.protocols LIST classic,consumer,streams fixed
offsets.topic.replication.factor SHORT 3 fixed
offsets.topic.num.partitions INT 50 fixed
offsets.topic.segment.bytes INT 104857600 fixed
offsets.topic.compression.codec INT 0 fixed
offset.metadata.max.bytes INT 4096 fixed
offsets.retention.minutes INT 10080 fixed
offsets.retention.check.interval.ms LONG 600000 fixed
group.min.session.timeout.ms INT 6000 fixed
group.max.session.timeout.ms INT 1800000 fixed
group.initial.rebalance.delay.ms INT 3000 fixed
group.max.size INT 2147483647 fixed
group.consumer.session.timeout.ms INT 45000 fixed
group.consumer.min.session.timeout.ms INT 45000 fixed
group.consumer.max.session.timeout.ms INT 60000 fixed
group.consumer.heartbeat.interval.ms INT 5000 fixed
group.consumer.min.heartbeat.interval.ms INT 5000 fixed
group.consumer.max.heartbeat.interval.ms INT 15000 fixed
group.consumer.max.size INT 2147483647 fixed
group.consumer.assignors LIST uniform,range fixed
group.consumer.migration.policy STRING bidirectional fixed
group.share.session.timeout.ms INT 45000 fixed
group.share.min.session.timeout.ms INT 45000 fixed
group.share.max.session.timeout.ms INT 60000 fixed
group.share.heartbeat.interval.ms INT 5000 fixed
group.share.min.heartbeat.interval.ms INT 5000 fixed
group.share.max.heartbeat.interval.ms INT 15000 fixed
group.streams.session.timeout.ms INT 45000 fixed
group.streams.min.session.timeout.ms INT 45000 fixed
group.streams.max.session.timeout.ms INT 60000 fixed
group.streams.heartbeat.interval.ms INT 5000 fixed
group.streams.min.heartbeat.interval.ms INT 5000 fixed
group.streams.max.heartbeat.interval.ms INT 15000 fixed
group.streams.num.standby.replicas INT 0 fixed
group.streams.max.standby.replicas INT 2 fixed
group.streams.initial.rebalance.delay.ms INT 3000 fixed
log.cleaner.threads INT 1 dynamic
log.cleaner.io.max.bytes.per.second DOUBLE 1.7976931348623157E308 dynamic
log.cleaner.dedupe.buffer.size LONG 134217728 dynamic
log.cleaner.io.buffer.size INT 524288 dynamic
log.cleaner.io.buffer.load.factor DOUBLE 0.9 dynamic
log.cleaner.backoff.ms LONG 15000 dynamic
log.cleaner.min.cleanable.ratio DOUBLE 0.5 dynamic
log.cleaner.enable BOOLEAN true fixed
log.cleaner.delete.retention.ms LONG 86400000 dynamic
log.cleaner.min.compaction.lag.ms LONG 0 dynamic
log.cleaner.max.compaction.lag.ms LONG 9223372036854775807 dynamic
num.partitions INT 1 fixed
log.dir LIST /tmp/kafka-logs fixed
log.dirs LIST - fixed
log.segment.bytes INT 1073741824 dynamic
log.roll.ms LONG - dynamic
log.roll.hours INT 168 fixed
log.roll.jitter.ms LONG - dynamic
log.roll.jitter.hours INT 0 fixed
log.retention.ms LONG - dynamic
log.retention.minutes INT - fixed
log.retention.hours INT 168 fixed
log.retention.bytes LONG -1 dynamic
log.retention.check.interval.ms LONG 300000 fixed
log.cleanup.policy LIST delete dynamic
log.index.size.max.bytes INT 10485760 dynamic
log.index.interval.bytes INT 4096 dynamic
log.flush.interval.messages LONG 9223372036854775807 dynamic
log.segment.delete.delay.ms LONG 60000 dynamic
log.flush.scheduler.interval.ms LONG 9223372036854775807 fixed
log.flush.interval.ms LONG - dynamic
log.preallocate BOOLEAN false dynamic
num.recovery.threads.per.data.dir INT 2 dynamic
auto.create.topics.enable BOOLEAN true fixed
min.insync.replicas INT 1 dynamic
log.message.timestamp.type STRING CreateTime dynamic
log.message.timestamp.before.max.ms LONG 9223372036854775807 dynamic
log.message.timestamp.after.max.ms LONG 3600000 dynamic
group.share.record.lock.duration.ms INT 30000 fixed
group.share.min.record.lock.duration.ms INT 15000 fixed
group.share.max.record.lock.duration.ms INT 60000 fixed
transaction.state.log.min.isr INT 2 fixed
transaction.state.log.replication.factor SHORT 3 fixed
transaction.state.log.num.partitions INT 50 fixed
transaction.state.log.segment.bytes INT 104857600 fixed
transaction.partition.verification.enable BOOLEAN true dynamic
producer.id.expiration.ms INT 86400000 dynamic
transactional.id.expiration.ms INT 604800000 fixed
transaction.max.timeout.ms INT 900000 fixed
transaction.abort.timed.out.transaction.cleanup.interval.ms INT 10000 fixed
transaction.remove.expired.transaction.cleanup.interval.ms INT 3600000 fixed
transaction.two.phase.commit.enable BOOLEAN false fixed
sasl.enabled.mechanisms LIST GSSAPI dynamic
""")
BROKER.insert(
    20,
    Recorded(
        *("listener.security.protocol.map", "STRING"),
        default="SASL_SSL:SASL_SSL,PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_PLAINTEXT:SASL_PLAINTEXT",
        rest=("dynamic",),
    ),
)

ELSEWHERE = re.findall(
    r"\S+",
    """
    remote.log.storage.system.enable remote.log.storage.manager.impl.prefix remote.log.metadata.manager.impl.prefix
    remote.log.storage.manager.class.name remote.log.storage.manager.class.path remote.log.metadata.manager.class.name
    remote.log.metadata.manager.class.path remote.log.metadata.manager.listener.name
    remote.log.metadata.custom.metadata.max.bytes remote.log.index.file.cache.total.size.bytes
    remote.log.manager.thread.pool.size remote.log.manager.copier.thread.pool.size
    remote.log.manager.expiration.thread.pool.size remote.log.manager.follower.thread.pool.size
    remote.log.manager.task.interval.ms remote.log.reader.threads remote.log.reader.max.pending.tasks
    remote.log.manager.copy.max.bytes.per.second remote.log.manager.copy.quota.window.num
    remote.log.manager.copy.quota.window.size.seconds remote.log.manager.fetch.max.bytes.per.second
    remote.log.manager.fetch.quota.window.num remote.log.manager.fetch.quota.window.size.seconds
    remote.fetch.max.wait.ms remote.list.offsets.request.timeout.ms num.replica.alter.log.dirs.threads
    request.timeout.ms socket.connection.setup.timeout.ms socket.connection.setup.timeout.max.ms config.providers
    early.start.listeners controlled.shutdown.enable initial.broker.registration.timeout.ms
    broker.heartbeat.interval.ms broker.session.timeout.ms controller.listener.names sasl.mechanism.controller.protocol
    metadata.log.max.record.bytes.between.snapshots metadata.log.max.snapshot.interval.ms metadata.log.dir
    metadata.log.segment.bytes metadata.log.segment.ms metadata.max.retention.bytes metadata.max.retention.ms
    metadata.max.idle.interval.ms socket.send.buffer.bytes socket.receive.buffer.bytes socket.listen.backlog.size
    connection.failed.authentication.delay.ms queued.max.requests queued.max.request.bytes controller.socket.timeout.ms
    replica.lag.time.max.ms replica.socket.timeout.ms replica.socket.receive.buffer.bytes replica.fetch.max.bytes
    replica.fetch.wait.max.ms replica.fetch.backoff.ms replica.fetch.min.bytes replica.fetch.response.max.bytes
    replica.high.watermark.checkpoint.interval.ms fetch.purgatory.purge.interval.requests
    producer.purgatory.purge.interval.requests delete.records.purgatory.purge.interval.requests
    leader.imbalance.check.interval.seconds replica.selector.class group.coordinator.threads
    group.coordinator.append.linger.ms offsets.commit.timeout.ms offsets.load.buffer.size group.share.max.size
    group.share.assignors group.streams.max.size log.flush.offset.checkpoint.interval.ms
    log.flush.start.offset.checkpoint.interval.ms create.topic.policy.class.name alter.config.policy.class.name
    log.dir.failure.timeout.ms group.share.delivery.count.limit group.share.partition.max.record.locks
    share.fetch.purgatory.purge.interval.requests group.share.max.share.sessions
    share.coordinator.state.topic.num.partitions share.coordinator.state.topic.replication.factor
    share.coordinator.state.topic.min.isr share.coordinator.state.topic.segment.bytes share.coordinator.threads
    share.coordinator.snapshot.update.records.per.snapshot share.coordinator.load.buffer.size
    share.coordinator.state.topic.compression.codec share.coordinator.append.linger.ms
    share.coordinator.write.timeout.ms transaction.state.log.load.buffer.size controller.quorum.voters
    controller.quorum.bootstrap.servers controller.quorum.election.timeout.ms controller.quorum.fetch.timeout.ms
    controller.quorum.election.backoff.max.ms controller.quorum.append.linger.ms controller.quorum.request.timeout.ms
    controller.quorum.retry.backoff.ms controller.quorum.auto.join.enable metrics.num.samples metrics.sample.window.ms
    metric.reporters metrics.recording.level kafka.metrics.reporters kafka.metrics.polling.interval.secs
    telemetry.max.bytes quota.window.num replication.quota.window.num alter.log.dirs.replication.quota.window.num
    controller.quota.window.num quota.window.size.seconds replication.quota.window.size.seconds
    alter.log.dirs.replication.quota.window.size.seconds controller.quota.window.size.seconds
    client.quota.callback.class connections.max.reauth.ms sasl.server.max.receive.size security.providers
    principal.builder.class ssl.client.auth ssl.principal.mapping.rules ssl.allow.dn.changes ssl.allow.san.changes
    ssl.protocol ssl.provider ssl.enabled.protocols ssl.keystore.type ssl.keystore.location ssl.keystore.password
    ssl.key.password ssl.keystore.key ssl.keystore.certificate.chain ssl.truststore.type ssl.truststore.location
    ssl.truststore.password ssl.truststore.certificates ssl.keymanager.algorithm ssl.trustmanager.algorithm
    ssl.endpoint.identification.algorithm ssl.secure.random.implementation ssl.cipher.suites ssl.engine.factory.class
    sasl.mechanism.inter.broker.protocol sasl.server.callback.handler.class sasl.kerberos.principal.to.local.rules
    sasl.jaas.config sasl.client.callback.handler.class sasl.login.class sasl.login.callback.handler.class
    sasl.kerberos.service.name sasl.kerberos.kinit.cmd sasl.kerberos.ticket.renew.window.factor
    sasl.kerberos.ticket.renew.jitter sasl.kerberos.min.time.before.relogin sasl.login.refresh.window.factor
    sasl.login.refresh.window.jitter sasl.login.refresh.min.period.seconds sasl.login.refresh.buffer.seconds
    sasl.login.connect.timeout.ms sasl.login.read.timeout.ms sasl.login.retry.backoff.max.ms
    sasl.login.retry.backoff.ms sasl.oauthbearer.jwt.retriever.class sasl.oauthbearer.jwt.validator.class
    sasl.oauthbearer.scope sasl.oauthbearer.client.credentials.client.id
    sasl.oauthbearer.client.credentials.client.secret sasl.oauthbearer.assertion.algorithm
    sasl.oauthbearer.assertion.claim.aud sasl.oauthbearer.assertion.claim.exp.seconds
    sasl.oauthbearer.assertion.claim.iss sasl.oauthbearer.assertion.claim.jti.include
    sasl.oauthbearer.assertion.claim.nbf.seconds sasl.oauthbearer.assertion.claim.sub sasl.oauthbearer.assertion.file
    sasl.oauthbearer.assertion.private.key.file sasl.oauthbearer.assertion.private.key.passphrase
    sasl.oauthbearer.assertion.template.file sasl.oauthbearer.scope.claim.name sasl.oauthbearer.sub.claim.name
    sasl.oauthbearer.token.endpoint.url sasl.oauthbearer.jwks.endpoint.url sasl.oauthbearer.jwks.endpoint.refresh.ms
    sasl.oauthbearer.jwks.endpoint.retry.backoff.ms sasl.oauthbearer.jwks.endpoint.retry.backoff.max.ms
    sasl.oauthbearer.clock.skew.seconds sasl.oauthbearer.expected.audience sasl.oauthbearer.expected.issuer
    delegation.token.secret.key delegation.token.max.lifetime.ms delegation.token.expiry.time.ms
    delegation.token.expiry.check.interval.ms add.partitions.to.txn.retry.backoff.max.ms
    add.partitions.to.txn.retry.backoff.ms
    """,
)
"""Kafka's broker configs that this broker does not have: setting one must not look as if it did something."""
