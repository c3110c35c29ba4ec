# Hole H2: every direct path is cut while both nodes reach the ping node. Nothing they can see tells the cut from a death.
cluster light
links eth0
10.0 all-beats for 5
10.0 pair eth0 for 5
ends 25
---
    0.550  node2  node1 is heard, and hears us
    0.550  node1  node2 is heard, and hears us
    0.555  *      node1 serves light0
    0.576  node1  light0 is started
   10.000  *      heartbeats are cut on every link
   10.000  *      the nodes do not reach each other on eth0, though both reach all else there
   10.450  node1  node2 is lost: no heartbeat within deadtime
   10.450  node2  node1 is lost: no heartbeat within deadtime
   10.450  node2  light0: announcing that this node takes it over
   10.650  node2  light0: taken over, since node1 is lost
   10.653  *      two owners of light0 (H2)
   10.654  *      node2 serves light0
   10.674  node2  light0 is started
   15.000  *      over: heartbeats are cut on every link
   15.000  *      over: the nodes do not reach each other on eth0, though both reach all else there
   15.050  node2  node1 is heard, but does not hear us
   15.050  node1  node2 is heard, but does not hear us
   15.050  node1  light0: node2 holds it with the better right; stopped here
   15.051  node2  node1 is heard, and hears us
   15.051  *      node1 serves light0 no more
   15.073  node1  light0 is stopped (the other node holds it)
   15.150  node1  node2 is heard, and hears us
   16.100  node2  light0: handing over to node1 (failback)
   16.123  node2  light0 is stopped (failback)
   16.124  *      node2 serves light0 no more
   16.128  *      node1 serves light0
   16.149  node1  light0 is started
two owners of light0 for 4397 ms: H2
