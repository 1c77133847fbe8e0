// franz-go behind the commands of tests/clients/client_program.py.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"sync"
	"syscall"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
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

var codecs = map[string]kgo.CompressionCodec{
	"none":   kgo.NoCompression(),
	"gzip":   kgo.GzipCompression(),
	"snappy": kgo.SnappyCompression(),
	"lz4":    kgo.Lz4Compression(),
	"zstd":   kgo.ZstdCompression(),
}

var output sync.Mutex

func emit(line any) {
	encoded, err := json.Marshal(line)
	check(err)
	output.Lock()
	defer output.Unlock()
	fmt.Println(string(encoded))
}

func emitRecord(event string, r *kgo.Record) {
	emit(record{event, r.Partition, r.Offset, string(r.Key), string(r.Value)})
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func newClient(bootstrap string, options ...kgo.Opt) *kgo.Client {
	client, err := kgo.NewClient(append(options, kgo.SeedBrokers(bootstrap))...)
	check(err)
	return client
}

func records(topic string, count int, prefix string) []*kgo.Record {
	made := make([]*kgo.Record, count)
	for i := range made {
		key, value := fmt.Sprintf("%skey-%d", prefix, i), fmt.Sprintf("%svalue-%d", prefix, i)
		made[i] = &kgo.Record{Topic: topic, Key: []byte(key), Value: []byte(value)}
	}
	return made
}

func produce(bootstrap, topic string, count int, codec, prefix string) {
	var options []kgo.Opt
	if codec != "default" {
		options = append(options, kgo.ProducerBatchCompression(codecs[codec]))
	}
	client := newClient(bootstrap, options...)
	defer client.Close()
	results := client.ProduceSync(context.Background(), records(topic, count, prefix)...)
	check(results.FirstErr())
	for _, result := range results {
		emitRecord("", result.Record)
	}
}

// transact writes one transaction of count records; outcome is commit or abort.
func transact(bootstrap, topic string, count int, id, outcome string) {
	client := newClient(bootstrap, kgo.TransactionalID(id))
	defer client.Close()
	check(client.BeginTransaction())
	results := client.ProduceSync(context.Background(), records(topic, count, outcome+"-")...)
	check(results.FirstErr())
	for _, result := range results {
		emitRecord("", result.Record)
	}
	check(client.EndTransaction(context.Background(), kgo.TransactionEndTry(outcome == "commit")))
}

func consume(bootstrap, topic string, count int) {
	client := newClient(bootstrap, kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	defer client.Close()
	for seen := 0; seen < count; {
		fetches := client.PollFetches(context.Background())
		check(fetches.Err())
		fetches.EachRecord(func(r *kgo.Record) { emitRecord("", r) })
		seen += fetches.NumRecords()
	}
}

func group(bootstrap, topic, groupID string) {
	asked, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	owned := map[int32]bool{}
	var lock sync.Mutex
	change := func(own bool) func(context.Context, *kgo.Client, map[string][]int32) {
		return func(_ context.Context, _ *kgo.Client, changed map[string][]int32) {
			lock.Lock()
			defer lock.Unlock()
			for _, partition := range changed[topic] {
				if own {
					owned[partition] = true
				} else {
					delete(owned, partition)
				}
			}
			partitions := []int32{}
			for partition := range owned {
				partitions = append(partitions, partition)
			}
			slices.Sort(partitions)
			emit(assignment{"assignment", partitions})
		}
	}
	client := newClient(bootstrap,
		kgo.ConsumerGroup(groupID),
		kgo.ConsumeTopics(topic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.OnPartitionsAssigned(change(true)),
		kgo.OnPartitionsRevoked(change(false)),
		kgo.OnPartitionsLost(change(false)),
	)
	for asked.Err() == nil {
		fetches := client.PollFetches(asked)
		fetches.EachRecord(func(r *kgo.Record) { emitRecord("record", r) })
		for _, failure := range fetches.Errors() {
			if asked.Err() == nil {
				check(failure.Err)
			}
		}
	}
	// A poll marks what the one before it returned; without another one, the last records are committed here.
	check(client.CommitUncommittedOffsets(context.Background()))
	client.Close()
	emit(map[string]string{"event": "closed"})
}

func admin(bootstrap, verb string, arguments []string) {
	client := kadm.NewClient(newClient(bootstrap))
	defer client.Close()
	background := context.Background()
	switch verb {
	case "create":
		partitions, err := strconv.Atoi(arguments[1])
		check(err)
		created, err := client.CreateTopics(background, int32(partitions), 1, nil, arguments[0])
		check(err)
		check(created.Error())
	case "delete":
		deleted, err := client.DeleteTopics(background, arguments[0])
		check(err)
		check(deleted.Error())
	default:
		topics, err := client.ListTopics(background)
		check(err)
		for _, name := range topics.Names() {
			emit(map[string]string{"topic": name})
		}
	}
}

func main() {
	bootstrap, command, arguments := os.Args[1], os.Args[2], os.Args[3:]
	number := func(text string) int {
		value, err := strconv.Atoi(text)
		check(err)
		return value
	}
	switch command {
	case "produce":
		produce(bootstrap, arguments[0], number(arguments[1]), arguments[2], arguments[3])
	case "transact":
		transact(bootstrap, arguments[0], number(arguments[1]), arguments[2], arguments[3])
	case "consume":
		consume(bootstrap, arguments[0], number(arguments[1]))
	case "group":
		group(bootstrap, arguments[0], arguments[1])
	default:
		admin(bootstrap, arguments[0], arguments[1:])
	}
}
