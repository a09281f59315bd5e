"""Messages to programs outside that arrive once, also where the other end is down for a while."""
