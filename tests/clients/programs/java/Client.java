// Kafka's Java client behind the commands of tests/clients/client_program.py.

import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Properties;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.WakeupException;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

public final class Client {
    private static final Duration POLL = Duration.ofMillis(200);

    public static void main(String[] args) throws Exception {
        switch (args[1]) {
            case "produce" -> produce(args[0], args[2], Integer.parseInt(args[3]), args[4], args[5]);
            case "consume" -> consume(args[0], args[2], Integer.parseInt(args[3]));
            case "group" -> group(args[0], args[2], args[3]);
            case "transform" -> transform(args[0], args[2], args[3], args[4], args[5], Integer.parseInt(args[6]));
            case "transact" -> transact(args[0], args[2], Integer.parseInt(args[3]), args[4], args[5]);
            default -> admin(args[0], args[2], args.length > 3 ? args[3] : "", args.length > 4 ? args[4] : "");
        }
    }

    private static Properties properties(String bootstrap, String... pairs) {
        Properties properties = new Properties();
        properties.put("bootstrap.servers", bootstrap);
        for (int i = 0; i < pairs.length; i += 2) {
            properties.put(pairs[i], pairs[i + 1]);
        }
        String extra = System.getenv().getOrDefault("CLIENT_CONFIG", "");
        extra.lines().filter(line -> !line.isEmpty()).forEach(line -> {
            String[] pair = line.split("=", 2);
            properties.put(pair[0], pair[1]);
        });
        return properties;
    }

    private static KafkaProducer<String, String> producer(Properties properties) {
        return new KafkaProducer<>(properties, new StringSerializer(), new StringSerializer());
    }

    private static KafkaConsumer<String, String> consumer(Properties properties) {
        return new KafkaConsumer<>(properties, new StringDeserializer(), new StringDeserializer());
    }

    private static void produce(String bootstrap, String topic, int count, String codec, String prefix)
            throws ExecutionException, InterruptedException {
        Properties properties = properties(bootstrap);
        if (!codec.equals("default")) {
            properties.put("compression.type", codec);
        }
        try (KafkaProducer<String, String> producer = producer(properties)) {
            send(producer, topic, count, prefix);
        }
    }

    private static void send(KafkaProducer<String, String> producer, String topic, int count, String prefix)
            throws ExecutionException, InterruptedException {
        List<Future<RecordMetadata>> sent = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            sent.add(producer.send(new ProducerRecord<>(topic, prefix + "key-" + i, prefix + "value-" + i)));
        }
        producer.flush();
        for (int i = 0; i < count; i++) {
            RecordMetadata metadata = sent.get(i).get();
            emitRecord("", metadata.partition(), metadata.offset(), prefix + "key-" + i, prefix + "value-" + i);
        }
    }

    /** One transaction of `count` records under the id; `outcome` is commit or abort. */
    private static void transact(String bootstrap, String topic, int count, String id, String outcome)
            throws ExecutionException, InterruptedException {
        try (KafkaProducer<String, String> producer = producer(properties(bootstrap, "transactional.id", id))) {
            producer.initTransactions();
            producer.beginTransaction();
            send(producer, topic, count, outcome + "-");
            if (outcome.equals("commit")) {
                producer.commitTransaction();
            } else {
                producer.abortTransaction();
            }
        }
    }

    /** Moves `count` records from one topic to another, a few in each transaction; aborts every third one first. */
    private static void transform(String bootstrap, String source, String target, String group, String id, int count) {
        Properties reading = properties(bootstrap, "group.id", group, "auto.offset.reset", "earliest",
            "enable.auto.commit", "false", "isolation.level", "read_committed", "max.poll.records", "5");
        try (KafkaConsumer<String, String> consumer = consumer(reading);
                KafkaProducer<String, String> producer = producer(properties(bootstrap, "transactional.id", id))) {
            producer.initTransactions();
            consumer.subscribe(List.of(source));
            int moved = 0;
            int transactions = 0;
            while (moved < count) {
                ConsumerRecords<String, String> records = consumer.poll(POLL);
                if (records.isEmpty()) {
                    continue;
                }
                producer.beginTransaction();
                records.forEach(record ->
                    producer.send(new ProducerRecord<>(target, record.key(), "done-" + record.value())));
                producer.sendOffsetsToTransaction(records.nextOffsets(), consumer.groupMetadata());
                if (transactions++ % 3 == 1) {
                    producer.flush();
                    producer.abortTransaction();
                    records.partitions().forEach(partition ->
                        consumer.seek(partition, records.records(partition).get(0).offset()));
                } else {
                    producer.commitTransaction();
                    moved += records.count();
                }
            }
        }
    }

    private static void consume(String bootstrap, String topic, int count) {
        try (KafkaConsumer<String, String> consumer = consumer(properties(bootstrap))) {
            List<TopicPartition> partitions = new ArrayList<>();
            consumer.partitionsFor(topic).forEach(info -> partitions.add(new TopicPartition(topic, info.partition())));
            consumer.assign(partitions);
            consumer.seekToBeginning(partitions);
            int seen = 0;
            while (seen < count) {
                for (ConsumerRecord<String, String> record : consumer.poll(POLL)) {
                    emitRecord("", record.partition(), record.offset(), record.key(), record.value());
                    seen++;
                }
            }
        }
    }

    private static void group(String bootstrap, String topic, String groupId) throws InterruptedException {
        Properties properties = properties(bootstrap, "group.id", groupId, "auto.offset.reset", "earliest");
        KafkaConsumer<String, String> consumer = consumer(properties);
        Thread polling = new Thread(() -> poll(consumer, topic));
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            consumer.wakeup();
            try {
                polling.join();
            } catch (InterruptedException interrupted) {
                Thread.currentThread().interrupt();
            }
        }));
        polling.start();
        polling.join();
    }

    private static void poll(KafkaConsumer<String, String> consumer, String topic) {
        Set<Integer> owned = new TreeSet<>();
        try (consumer) {
            consumer.subscribe(List.of(topic), new ConsumerRebalanceListener() {
                @Override
                public void onPartitionsAssigned(Collection<TopicPartition> partitions) {
                    partitions.forEach(partition -> owned.add(partition.partition()));
                    emit("{\"event\": \"assignment\", \"partitions\": " + owned + "}");
                }

                @Override
                public void onPartitionsRevoked(Collection<TopicPartition> partitions) {
                    partitions.forEach(partition -> owned.remove(partition.partition()));
                    emit("{\"event\": \"assignment\", \"partitions\": " + owned + "}");
                }
            });
            while (true) {
                for (ConsumerRecord<String, String> record : consumer.poll(POLL)) {
                    emitRecord("\"event\": \"record\", ", record.partition(), record.offset(), record.key(), record.value());
                }
            }
        } catch (WakeupException asked) {
            emit("{\"event\": \"closing\"}");
        } catch (RuntimeException failure) {
            failure.printStackTrace();
            Runtime.getRuntime().halt(1);
        }
        emit("{\"event\": \"closed\"}");
        Runtime.getRuntime().halt(0);
    }

    private static void admin(String bootstrap, String verb, String topic, String partitions)
            throws ExecutionException, InterruptedException {
        try (Admin admin = Admin.create(properties(bootstrap))) {
            switch (verb) {
                case "create" ->
                    admin.createTopics(List.of(new NewTopic(topic, Integer.parseInt(partitions), (short) 1))).all().get();
                case "fence" -> admin.fenceProducers(List.of(topic)).all().get();
                case "delete" -> admin.deleteTopics(List.of(topic)).all().get();
                default -> admin.listTopics().names().get().forEach(name -> emit("{\"topic\": " + quote(name) + "}"));
            }
        }
    }

    private static void emitRecord(String event, int partition, long offset, String key, String value) {
        emit(String.format("{%s\"partition\": %d, \"offset\": %d, \"key\": %s, \"value\": %s}",
            event, partition, offset, quote(key), quote(value)));
    }

    private static String quote(String text) {
        return text == null ? "null" : "\"" + text.replace("\\", "\\\\").replace("\"", "\\\"") + "\"";
    }

    private static synchronized void emit(String line) {
        System.out.println(line);
        System.out.flush();
    }
}
