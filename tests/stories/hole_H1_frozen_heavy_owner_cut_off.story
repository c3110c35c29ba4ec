# Holes H1 and H4: a frozen owner of a database that also loses its network card. Its machine does not answer, so the
# other node may presume it dead; it goes on when it is thawed, until it hears.
cluster heavy
links eth0
10.0 freeze node1 for 6
10.1 card node1 eth0 silent for 6
ends 25
---
    0.550  node2  node1 is heard, and hears us
    0.550  node1  node2 is heard, and hears us
    0.555  *      node1 serves heavy0
    0.576  node1  heavy0 is started
   10.000  *      all of ours on node1 is stopped (SIGSTOP)
   10.100  *      node1's eth0 loses every frame, and nobody is told
   10.450  node2  node1 is lost: no heartbeat within deadtime
   10.450  node2  heavy0: announcing that this node takes it over
   10.650  node2  heavy0: taken over, since node1 is lost
   10.653  *      two owners of heavy0 (H1)
   10.654  *      node2 serves heavy0
   10.674  node2  heavy0 is started
   16.000  *      over: all of ours on node1 is stopped (SIGSTOP)
   16.000  node1  this node did not run for 6000 ms; silence in that time counts for nothing
   16.000  node1  heavy0: nothing proves any more that this node is on the network: its addresses are taken off
   16.100  *      over: node1's eth0 loses every frame, and nobody is told
   16.150  node2  node1 is heard, but does not hear us
   16.150  node1  node2 is heard, but does not hear us
   16.150  node1  heavy0: node2 holds it with the better right; stopped here
   16.151  node2  node1 is heard, and hears us
   16.171  *      node1 serves heavy0 no more
   16.171  node1  heavy0 is stopped (the other node holds it)
   16.250  node1  node2 is heard, and hears us
   17.200  node2  heavy0: handing over to node1 (failback)
   17.223  node2  heavy0 is stopped (failback)
   17.224  *      node2 serves heavy0 no more
   17.228  *      node1 serves heavy0
   17.249  node1  heavy0 is started
two owners of heavy0 for 5517 ms: H1
