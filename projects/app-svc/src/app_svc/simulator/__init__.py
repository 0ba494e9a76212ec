"""Demo traffic: shipments that travel between real airports. A client like any other: token, HTTP, nothing else."""
