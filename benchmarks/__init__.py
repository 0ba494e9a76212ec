"""Load and latency harnesses. They print figures; nothing here passes or fails."""
