"""How soon the console answers over a long log: pages, filters, and many auditors at once."""
