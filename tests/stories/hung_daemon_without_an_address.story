# The daemon of a node that serves without an address hangs. Pulse can take nothing off there, so it must not release: the
# service goes on unmanaged until the next daemon finds it.
cluster plain
10.0 hang node1 for 20
ends 60
---
    0.550  node2  node1 is heard, and hears us
    0.550  node1  node2 is heard, and hears us
    0.573  *      node1 serves plain0
    0.574  node1  plain0 is started
   10.000  *      the daemon of node1 hangs
   15.650  node2  node1 is lost: no heartbeat within deadtime
   20.050  node2  node1 is heard, and hears us
   20.201  node1  plain0: found running here: httpd
   20.250  node1  node2 is heard, and hears us
   20.250  node1  plain0 is started
   30.000  *      over: the daemon of node1 hangs
