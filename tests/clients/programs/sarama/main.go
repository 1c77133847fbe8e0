// sarama 1.38 with its default configuration (it speaks as to a Kafka 1.0.0) behind the commands of
// tests/clients/client_program.py.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"sync"
	"syscall"

	"github.com/Shopify/sarama"
)

type record struct {
	Event     string `json:"event,omitempty"`
	Partition int32  `json:"partition"`
	Offset    int64  `json:"offset"`
	Key       string `json:"key"`
	Value     string `json:"value"`
}

type assignment struct {
	Event      string  `json:"event"`
	Partitions []int32 `json:"partitions"`
}

var codecs = map[string]sarama.CompressionCodec{
	"none":   sarama.CompressionNone,
	"gzip":   sarama.CompressionGZIP,
	"snappy": sarama.CompressionSnappy,
	"lz4":    sarama.CompressionLZ4,
}

var output sync.Mutex

func emit(line any) {
	encoded, err := json.Marshal(line)
	check(err)
	output.Lock()
	defer output.Unlock()
	fmt.Println(string(encoded))
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func produce(brokers []string, topic string, count int, codec, prefix string) {
	config := sarama.NewConfig()
	config.Producer.Return.Successes = true // sarama's SyncProducer refuses to start without it
	if codec != "default" {
		config.Producer.Compression = codecs[codec]
	}
	producer, err := sarama.NewSyncProducer(brokers, config)
	check(err)
	messages := make([]*sarama.ProducerMessage, count)
	for i := range messages {
		key := sarama.StringEncoder(fmt.Sprintf("%skey-%d", prefix, i))
		value := sarama.StringEncoder(fmt.Sprintf("%svalue-%d", prefix, i))
		messages[i] = &sarama.ProducerMessage{Topic: topic, Key: key, Value: value}
	}
	check(producer.SendMessages(messages))
	for _, message := range messages {
		key, _ := message.Key.Encode()
		value, _ := message.Value.Encode()
		emit(record{"", message.Partition, message.Offset, string(key), string(value)})
	}
	check(producer.Close())
}

func consume(brokers []string, topic string, count int) {
	consumer, err := sarama.NewConsumer(brokers, sarama.NewConfig())
	check(err)
	partitions, err := consumer.Partitions(topic)
	check(err)
	messages := make(chan *sarama.ConsumerMessage)
	for _, partition := range partitions {
		source, err := consumer.ConsumePartition(topic, partition, sarama.OffsetOldest)
		check(err)
		go func() {
			for message := range source.Messages() {
				messages <- message
			}
		}()
	}
	for seen := 0; seen < count; seen++ {
		message := <-messages
		emit(record{"", message.Partition, message.Offset, string(message.Key), string(message.Value)})
	}
}

type handler struct{ topic string }

func (h handler) Setup(session sarama.ConsumerGroupSession) error {
	partitions := append([]int32{}, session.Claims()[h.topic]...)
	slices.Sort(partitions)
	emit(assignment{"assignment", partitions})
	return nil
}

func (h handler) Cleanup(sarama.ConsumerGroupSession) error {
	emit(assignment{"assignment", []int32{}})
	return nil
}

func (h handler) ConsumeClaim(session sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	for {
		select {
		case message, open := <-claim.Messages():
			if !open {
				return nil
			}
			emit(record{"record", message.Partition, message.Offset, string(message.Key), string(message.Value)})
			session.MarkMessage(message, "")
		case <-session.Context().Done():
			return nil
		}
	}
}

func group(brokers []string, topic, groupID string) {
	asked, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	config := sarama.NewConfig()
	config.Consumer.Offsets.Initial = sarama.OffsetOldest
	member, err := sarama.NewConsumerGroup(brokers, groupID, config)
	check(err)
	for asked.Err() == nil {
		if err := member.Consume(asked, []string{topic}, handler{topic}); err != nil && !errors.Is(err, context.Canceled) {
			check(err)
		}
	}
	check(member.Close())
	emit(map[string]string{"event": "closed"})
}

func admin(brokers []string, verb string, arguments []string) {
	client, err := sarama.NewClusterAdmin(brokers, sarama.NewConfig())
	check(err)
	switch verb {
	case "create":
		partitions, err := strconv.Atoi(arguments[1])
		check(err)
		detail := &sarama.TopicDetail{NumPartitions: int32(partitions), ReplicationFactor: 1}
		check(client.CreateTopic(arguments[0], detail, false))
	case "delete":
		check(client.DeleteTopic(arguments[0]))
	default:
		topics, err := client.ListTopics()
		check(err)
		for name := range topics {
			emit(map[string]string{"topic": name})
		}
	}
	check(client.Close())
}

func main() {
	brokers, command, arguments := []string{os.Args[1]}, os.Args[2], os.Args[3:]
	switch command {
	case "produce":
		count, err := strconv.Atoi(arguments[1])
		check(err)
		produce(brokers, arguments[0], count, arguments[2], arguments[3])
	case "consume":
		count, err := strconv.Atoi(arguments[1])
		check(err)
		consume(brokers, arguments[0], count)
	case "group":
		group(brokers, arguments[0], arguments[1])
	default:
		admin(brokers, arguments[0], arguments[1:])
	}
}
