# Heartbeats take longer than the deadtime. The owner loses its network, and the other node's card dies meanwhile: its
# release is too old to be taken, so the first claims once its network works again. (Found by the simulator, seed 451.)
cluster light
links eth0 eth1
6.0 ping node1 one for 10
6.0 noise slow ms 783 for 40
8.0 card node2 eth0 no-tx for 23
ends 60
---
    0.550  node2  node1 is heard, and hears us
    0.550  node1  node2 is heard, and hears us
    0.555  *      node1 serves light0
    0.576  node1  light0 is started
    6.000  *      node1 alone does not reach the ping node
    6.000  *      every heartbeat takes 783 ms longer
    6.450  node2  node1 is lost: no heartbeat within deadtime
    6.451  node1  node2 is lost: no heartbeat within deadtime
    6.833  node2  node1 is heard, but does not hear us
    6.833  node1  node2 is heard, but does not hear us
    8.000  *      node2's eth0 sends nothing any more
    8.252  node1  light0: nothing proves any more that this node is on the network: its addresses are taken off
    8.253  *      node1 serves light0 no more
    8.773  node1  light0 is stopped (the lease lapsed)
   16.000  *      over: node1 alone does not reach the ping node
   16.500  node1  light0: announcing that this node takes it over
   16.700  node1  light0: taken over, since node2 is lost
   16.704  *      node1 serves light0
   16.724  node1  light0 is started
   31.000  *      over: node2's eth0 sends nothing any more
   46.000  *      over: every heartbeat takes 783 ms longer
   46.150  node2  node1 is heard, and hears us
   46.150  node1  node2 is heard, and hears us
