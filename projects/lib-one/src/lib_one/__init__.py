"""Events for services: contracts, a bus over NATS JetStream, a transactional outbox and inbox."""
