"""Every config of topics, brokers and groups by its Kafka name: what it may be, what it is, and how it is altered.

- `values`: text to a typed value and back, and the words for what is allowed
- `definitions`: the tables; `documentation`: their sentences
- `layers`: where a broker's configs come from, and the typed settings that follow
- `describe`: what DescribeConfigs answers
- `alter`: what AlterConfigs and its like make of overrides; `validate`: whether those can stand

Overrides are plain mappings of Kafka's names to texts as they were sent; that is what the catalog keeps.
"""
