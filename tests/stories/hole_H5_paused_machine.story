# Hole H5: the hypervisor pauses the owner. When it goes on, its kernel's clock has not moved: both answer until it hears.
cluster light
links eth0
10.0 pause node1 for 5
ends 20
---
    0.550  node2  node1 is heard, and hears us
    0.550  node1  node2 is heard, and hears us
    0.555  *      node1 serves light0
    0.576  node1  light0 is started
   10.000  *      the hypervisor pauses node1
   10.000  *      node1 serves light0 no more
   10.450  node2  node1 is lost: no heartbeat within deadtime
   10.450  node2  light0: announcing that this node takes it over
   10.650  node2  light0: taken over, since node1 is lost
   10.654  *      node2 serves light0
   10.674  node2  light0 is started
   15.000  *      over: the hypervisor pauses node1
   15.000  *      two owners of light0 (H5)
   15.000  *      node1 serves light0
   15.050  node2  node1 is heard, but does not hear us
   15.050  node1  light0: node2 holds it with the better right; stopped here
   15.051  node2  node1 is heard, and hears us
   15.051  *      node1 serves light0 no more
   15.073  node1  light0 is stopped (the other node holds it)
   16.100  node2  light0: handing over to node1 (failback)
   16.123  node2  light0 is stopped (failback)
   16.124  *      node2 serves light0 no more
   16.128  *      node1 serves light0
   16.149  node1  light0 is started
two owners of light0 for 51 ms: H5
