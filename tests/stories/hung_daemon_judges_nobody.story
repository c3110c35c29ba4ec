# A daemon that hung for two seconds reads all that waited before it judges: it must not call its peer lost by the oldest
# heartbeat of its queue. (Found by the simulator, seed 41.)
cluster light
links eth0
10.0 hang node1 for 2
20.0 hang node2 for 2
ends 30
---
    0.550  node2  node1 is heard, and hears us
    0.550  node1  node2 is heard, and hears us
    0.555  *      node1 serves light0
    0.576  node1  light0 is started
   10.000  *      the daemon of node1 hangs
   12.000  *      over: the daemon of node1 hangs
   20.000  *      the daemon of node2 hangs
   22.000  *      over: the daemon of node2 hangs
