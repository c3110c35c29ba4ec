# No ping node, a slow wire, and the owner's card sends nothing any more: it hears the other's claim, and stops before it.
# (Found by the simulator, seed 714.)
cluster light
links eth0
without ping
10.0 noise slow ms 90 for 30
20.0 card node1 eth0 no-tx for 5
ends 40
---
    0.251  node2  node1 is heard, and hears us
    0.251  node1  node2 is heard, and hears us
    0.256  *      node1 serves light0
    0.277  node1  light0 is started
   10.000  *      every heartbeat takes 90 ms longer
   20.000  *      node1's eth0 sends nothing any more
   20.490  node1  node2 is heard, but does not hear us
   20.490  node2  node1 is lost: no heartbeat within deadtime
   20.490  node2  light0: announcing that this node takes it over
   20.581  node1  light0: the other node does not hear us and takes over: stopped
   20.583  *      node1 serves light0 no more
   20.604  node1  light0 is stopped (the other node takes over)
   20.690  node2  light0: taken over, since node1 is lost
   20.694  *      node2 serves light0
   20.714  node2  light0 is started
   25.000  *      over: node1's eth0 sends nothing any more
   25.090  node2  node1 is heard, and hears us
   25.190  node1  node2 is heard, and hears us
   26.190  node2  light0: handing over to node1 (failback)
   26.213  node2  light0 is stopped (failback)
   26.214  *      node2 serves light0 no more
   26.308  *      node1 serves light0
   26.329  node1  light0 is started
   40.000  *      over: every heartbeat takes 90 ms longer
