"""Parts of screens: each draws one thing and knows nothing of the network."""
