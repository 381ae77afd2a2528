"""What every long command needs: signals that stop it, files that are whole or not there, progress."""
