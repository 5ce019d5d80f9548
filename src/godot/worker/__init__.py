"""The worker: reads batches from the stream, stores each in one transaction, then acknowledges."""
