"""Lower bounds that run: SAT through one softmax head, and bits a key/value cache must hold."""
