"""Record batch v2: header, records, compression, control markers, CRC-32C. Bytes in, values out; knows no log."""
