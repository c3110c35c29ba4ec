# Both lost every heartbeat and their groups; both claim at the same moment, each sees the other's question on the network.
cluster light
links eth1
10.0 switch eth1 for 20
14.0 switch eth0 for 3
ends 45
---
    0.550  node2  node1 is heard, and hears us
    0.550  node1  node2 is heard, and hears us
    0.555  *      node1 serves light0
    0.576  node1  light0 is started
   10.000  *      the switch of eth1 fails
   10.450  node1  node2 is lost: no heartbeat within deadtime
   10.450  node2  node1 is lost: no heartbeat within deadtime
   14.000  *      the switch of eth0 fails
   14.200  node1  light0: nothing proves any more that this node is on the network: its addresses are taken off
   14.200  node1  light0: no machine on its network answers: stopped
   14.201  *      node1 serves light0 no more
   14.223  node1  light0 is stopped (cut off)
   17.000  *      over: the switch of eth0 fails
   17.500  node2  light0: announcing that this node takes it over
   17.500  node1  light0: announcing that this node takes it over
   17.560  node2  light0: the takeover was dropped before anything was started
   17.700  node1  light0: taken over, since node2 is lost
   17.704  *      node1 serves light0
   17.724  node1  light0 is started
   30.000  *      over: the switch of eth1 fails
   30.050  node2  node1 is heard, but does not hear us
   30.050  node1  node2 is heard, but does not hear us
   30.051  node1  node2 is heard, and hears us
   30.150  node2  node1 is heard, and hears us
