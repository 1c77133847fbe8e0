// kafkajs behind the commands of tests/clients/client_program.py. NODE_PATH names the node_modules that holds kafkajs.
"use strict";

const { Kafka, CompressionTypes, logLevel } = require("kafkajs");

const codecs = { none: CompressionTypes.None, gzip: CompressionTypes.GZIP };
const emit = (fields) => process.stdout.write(JSON.stringify(fields) + "\n");
const text = (bytes) => (bytes === null ? null : bytes.toString());

async function produce(kafka, topic, count, codec, prefix) {
  const producer = kafka.producer();
  await producer.connect();
  const messages = Array.from({ length: count }, (_, i) => ({ key: `${prefix}key-${i}`, value: `${prefix}value-${i}` }));
  const request = { topic, messages };
  if (codec !== "default") request.compression = codecs[codec];
  // One answer a partition, not one a record: kafkajs tells the base offset of each batch and nothing more.
  for (const answer of await producer.send(request)) {
    emit({ partition: answer.partition, offset: Number(answer.baseOffset), key: null, value: null });
  }
  await producer.disconnect();
}

async function transact(kafka, topic, count, transactionalId, outcome) {
  const producer = kafka.producer({ transactionalId, idempotent: true, maxInFlightRequests: 1 });
  await producer.connect();
  const transaction = await producer.transaction();
  const messages = Array.from({ length: count }, (_, i) => ({ key: `${outcome}-key-${i}`, value: `${outcome}-value-${i}` }));
  for (const answer of await transaction.send({ topic, messages })) {
    emit({ partition: answer.partition, offset: Number(answer.baseOffset), key: null, value: null });
  }
  await (outcome === "commit" ? transaction.commit() : transaction.abort());
  await producer.disconnect();
}

async function consume(kafka, topic, count) {
  // kafkajs has no consumer without a group.
  const consumer = kafka.consumer({ groupId: `consume-${process.pid}-${Date.now()}` });
  await consumer.connect();
  await consumer.subscribe({ topics: [topic], fromBeginning: true });
  let seen = 0;
  await new Promise((resolve, reject) => {
    consumer.on(consumer.events.CRASH, (event) => reject(event.payload.error));
    consumer
      .run({
        eachMessage: async ({ partition, message }) => {
          if (seen === count) return;
          emit({ partition, offset: Number(message.offset), key: text(message.key), value: text(message.value) });
          seen += 1;
          if (seen === count) resolve();
        },
      })
      .catch(reject);
  });
  await consumer.disconnect();
}

async function group(kafka, topic, groupId) {
  const consumer = kafka.consumer({ groupId });
  const stopped = new Promise((resolve) => process.once("SIGTERM", resolve));
  consumer.on(consumer.events.GROUP_JOIN, (event) => {
    const partitions = (event.payload.memberAssignment[topic] || []).slice().sort((a, b) => a - b);
    emit({ event: "assignment", partitions });
  });
  await consumer.connect();
  await consumer.subscribe({ topics: [topic], fromBeginning: true });
  await consumer.run({
    eachMessage: async ({ partition, message }) => {
      const offset = Number(message.offset);
      emit({ event: "record", partition, offset, key: text(message.key), value: text(message.value) });
    },
  });
  await stopped;
  await consumer.disconnect();
  emit({ event: "closed" });
}

async function admin(kafka, verb, topic, partitions) {
  const client = kafka.admin();
  await client.connect();
  try {
    if (verb === "create") {
      const created = await client.createTopics({ topics: [{ topic, numPartitions: Number(partitions) }] });
      if (!created) throw new Error(`the topic ${topic} exists`);
    } else if (verb === "delete") {
      await client.deleteTopics({ topics: [topic] });
    } else {
      for (const name of await client.listTopics()) emit({ topic: name });
    }
  } finally {
    await client.disconnect();
  }
}

async function main([bootstrap, command, ...rest]) {
  const kafka = new Kafka({ clientId: "chronik-tests", brokers: [bootstrap], logLevel: logLevel.WARN });
  if (command === "produce") await produce(kafka, rest[0], Number(rest[1]), rest[2], rest[3]);
  else if (command === "transact") await transact(kafka, rest[0], Number(rest[1]), rest[2], rest[3]);
  else if (command === "consume") await consume(kafka, rest[0], Number(rest[1]));
  else if (command === "group") await group(kafka, rest[0], rest[1]);
  else await admin(kafka, ...rest);
}

main(process.argv.slice(2)).catch((error) => {
  console.error(error);
  process.exit(1);
});
