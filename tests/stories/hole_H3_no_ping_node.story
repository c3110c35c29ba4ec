# Hole H3: no ping node, and the owner's card goes deaf and mute: nothing tells it that it is the one cut off.
cluster light
links eth0
without ping
10.0 card node1 eth0 silent for 5
ends 25
---
    0.550  node2  node1 is heard, and hears us
    0.550  node1  node2 is heard, and hears us
    0.555  *      node1 serves light0
    0.576  node1  light0 is started
   10.000  *      node1's eth0 loses every frame, and nobody is told
   10.451  node1  node2 is lost: no heartbeat within deadtime
   10.451  node2  node1 is lost: no heartbeat within deadtime
   10.451  node2  light0: announcing that this node takes it over
   10.651  node2  light0: taken over, since node1 is lost
   10.654  *      two owners of light0 (H3)
   10.655  *      node2 serves light0
   10.675  node2  light0 is started
   15.000  *      over: node1's eth0 loses every frame, and nobody is told
   15.050  node2  node1 is heard, but does not hear us
   15.050  node1  node2 is heard, but does not hear us
   15.050  node1  light0: node2 holds it with the better right; stopped here
   15.051  node2  node1 is heard, and hears us
   15.051  *      node1 serves light0 no more
   15.073  node1  light0 is stopped (the other node holds it)
   15.150  node1  node2 is heard, and hears us
   16.150  node2  light0: handing over to node1 (failback)
   16.173  node2  light0 is stopped (failback)
   16.174  *      node2 serves light0 no more
   16.178  *      node1 serves light0
   16.199  node1  light0 is started
two owners of light0 for 4396 ms: H3
