"""What every long command needs: stop by a signal (`stopping`), whole files (`atomic_write`), a progress bar."""
