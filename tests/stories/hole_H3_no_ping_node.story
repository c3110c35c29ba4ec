# Hole H3: no ping node, and the owner's card goes deaf and mute: nothing tells it that it is the one cut off.
cluster light
links eth0
without ping
10.0 card node1 eth0 silent for 5
ends 25
---
    0.251  node2  node1 is heard, and hears us
    0.251  node1  node2 is heard, and hears us
    0.256  *      node1 serves light0
    0.277  node1  light0 is started
   10.000  *      node1's eth0 loses every frame, and nobody is told
   10.401  node1  node2 is lost: no heartbeat within deadtime
   10.401  node2  node1 is lost: no heartbeat within deadtime
   10.401  node2  light0: announcing that this node takes it over
   10.601  node2  light0: taken over, since node1 is lost
   10.604  *      two owners of light0 (H3)
   10.605  *      node2 serves light0
   10.625  node2  light0 is started
   15.000  *      over: node1's eth0 loses every frame, and nobody is told
   15.000  node2  node1 is heard, but does not hear us
   15.000  node1  node2 is heard, but does not hear us
   15.000  node1  light0: node2 holds it with the better right; stopped here
   15.001  node2  node1 is heard, and hears us
   15.001  *      node1 serves light0 no more
   15.023  node1  light0 is stopped (the other node holds it)
   15.100  node1  node2 is heard, and hears us
   16.100  node2  light0: handing over to node1 (failback)
   16.123  node2  light0 is stopped (failback)
   16.124  *      node2 serves light0 no more
   16.128  *      node1 serves light0
   16.149  node1  light0 is started
two owners of light0 for 4396 ms: H3
