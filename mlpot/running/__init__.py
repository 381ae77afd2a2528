"""What every long command needs: stop by a signal (`stopping`), files (`outputs`, `atomic_write`), threads."""
