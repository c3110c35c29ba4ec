# Hole H2 heals while both ask who else has the address: what was asked before the other said that it gives it up says
# nothing, so the winner goes on.
cluster light
links eth0
10.0 pair eth0 for 6.570
ends 22
---
    0.550  node2  node1 is heard, and hears us
    0.550  node1  node2 is heard, and hears us
    0.555  *      node1 serves light0
    0.576  node1  light0 is started
   10.000  *      the nodes do not reach each other on eth0, though both reach all else there
   10.450  node1  node2 is lost: no heartbeat within deadtime
   10.450  node2  node1 is lost: no heartbeat within deadtime
   10.450  node2  light0: announcing that this node takes it over
   10.650  node2  light0: taken over, since node1 is lost
   10.653  *      two owners of light0 (H2)
   10.654  *      node2 serves light0
   10.674  node2  light0 is started
   16.570  *      over: the nodes do not reach each other on eth0, though both reach all else there
   16.650  node2  node1 is heard, but does not hear us
   16.650  node1  node2 is heard, but does not hear us
   16.650  node1  light0: node2 holds it with the better right; stopped here
   16.651  node2  node1 is heard, and hears us
   16.651  *      node1 serves light0 no more
   16.673  node1  light0 is stopped (the other node holds it)
   16.750  node1  node2 is heard, and hears us
   17.700  node2  light0: handing over to node1 (failback)
   17.723  node2  light0 is stopped (failback)
   17.724  *      node2 serves light0 no more
   17.728  *      node1 serves light0
   17.749  node1  light0 is started
two owners of light0 for 5997 ms: H2
