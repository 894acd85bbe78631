"""What `evolvent.random` is made of."""
