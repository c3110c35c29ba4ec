# node1 can send nothing; node2 takes over, leaves cleanly, and comes back unheard. Its farewell must not be a licence for
# node1 half a minute later. (Found by hbctl drill.)
cluster light
links eth0
10.0 card node1 eth0 no-tx for 48
22.0 leave node2 for 4
ends 70
---
    0.550  node2  node1 is heard, and hears us
    0.550  node1  node2 is heard, and hears us
    0.555  *      node1 serves light0
    0.576  node1  light0 is started
   10.000  *      node1's eth0 sends nothing any more
   10.250  node1  light0: nothing proves any more that this node is on the network: its addresses are taken off
   10.251  *      node1 serves light0 no more
   10.450  node1  node2 is heard, but does not hear us
   10.450  node2  node1 is lost: no heartbeat within deadtime
   10.450  node2  light0: announcing that this node takes it over
   10.451  node1  light0: the other node does not hear us and takes over: stopped
   10.472  node1  light0 is stopped (the other node takes over)
   10.650  node2  light0: taken over, since node1 is lost
   10.654  *      node2 serves light0
   10.674  node2  light0 is started
   22.000  *      hbcored on node2 is told to stop
   22.000  node2  hbcored is told to stop: everything is released
   22.023  node2  light0 is stopped (hbcored stops)
   22.023  *      node2 serves light0 no more
   22.024  node1  node2 left: everything it had is stopped and released
   26.000  *      over: hbcored on node2 is told to stop
   38.000  node2  node1 is lost: no heartbeat within deadtime
   38.500  node2  light0: announcing that this node takes it over
   38.700  node2  light0: taken over, since node1 is lost
   38.704  *      node2 serves light0
   38.724  node2  light0 is started
   58.000  *      over: node1's eth0 sends nothing any more
   58.150  node2  node1 is heard, and hears us
   58.150  node2  light0: node1 holds it too; this node has the better right and keeps it
   58.150  node1  node2 restarted
   58.150  node1  node2 is heard, and hears us
   58.151  node2  light0: held by this node alone again; its addresses are announced anew
   59.200  node2  light0: handing over to node1 (failback)
   59.223  node2  light0 is stopped (failback)
   59.224  *      node2 serves light0 no more
   59.228  *      node1 serves light0
   59.249  node1  light0 is started
