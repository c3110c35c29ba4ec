# No ping node, a slow wire, and the owner's card sends nothing any more: it hears the other's claim, and stops before it.
# (Found by the simulator, seed 714.)
cluster light
links eth0
without ping
10.0 noise slow ms 90 for 30
20.0 card node1 eth0 no-tx for 5
ends 40
---
    0.550  node2  node1 is heard, and hears us
    0.550  node1  node2 is heard, and hears us
    0.555  *      node1 serves light0
    0.576  node1  light0 is started
   10.000  *      every heartbeat takes 90 ms longer
   20.000  *      node1's eth0 sends nothing any more
   20.540  node1  node2 is heard, but does not hear us
   20.540  node2  node1 is lost: no heartbeat within deadtime
   20.540  node2  light0: announcing that this node takes it over
   20.631  node1  light0: the other node does not hear us and takes over: stopped
   20.633  *      node1 serves light0 no more
   20.654  node1  light0 is stopped (the other node takes over)
   20.740  node2  light0: taken over, since node1 is lost
   20.744  *      node2 serves light0
   20.764  node2  light0 is started
   25.000  *      over: node1's eth0 sends nothing any more
   25.140  node2  node1 is heard, and hears us
   25.240  node1  node2 is heard, and hears us
   26.240  node2  light0: handing over to node1 (failback)
   26.263  node2  light0 is stopped (failback)
   26.264  *      node2 serves light0 no more
   26.358  *      node1 serves light0
   26.379  node1  light0 is started
   40.000  *      over: every heartbeat takes 90 ms longer
