# The owner's heartbeat process is stopped between the ticket and the swap for longer than its lease: the kernel refuses,
# and the next two-way heartbeat opens the address again. Stopped for longer than W alone, it is refused, too, but the gate
# still stands, and a second try prolongs it.
cluster light
links eth0
10.0 renew-pause node1 ms 350
20.0 renew-pause node1 ms 80
ends 30
---
    0.550  node2  node1 is heard, and hears us
    0.550  node1  node2 is heard, and hears us
    0.555  *      node1 serves light0
    0.576  node1  light0 is started
   10.000  *      node1's heartbeat process stops for 350 ms in the middle of a renewal
   10.201  *      node1 serves light0 no more
   10.350  node1  light0: this node's heartbeat process did not run in time, so the kernel shut its addresses; they are taken off
   10.350  node1  this node did not run for 300 ms; silence in that time counts for nothing
   10.450  node1  light0: the other node neither holds nor claims it: opened again
   10.452  node1  light0 is started
   10.453  *      node1 serves light0
   20.000  *      node1's heartbeat process stops for 80 ms in the middle of a renewal
