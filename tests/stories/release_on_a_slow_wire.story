# Heartbeats take longer than the lease: nodes hear each other but never in time. A release that is under way must not be
# claimed back by the one who gave it. (Found by the simulator, seed 1396.)
cluster light
links eth0
10.0 noise slow ms 320 for 30
14.0 renew-pause node1 ms 350
20.0 card node2 eth0 silent for 1
ends 60
---
    0.550  node2  node1 is heard, and hears us
    0.550  node1  node2 is heard, and hears us
    0.555  *      node1 serves light0
    0.576  node1  light0 is started
   10.000  *      every heartbeat takes 320 ms longer
   10.370  node2  node1 is heard, but does not hear us
   10.370  node1  node2 is heard, but does not hear us
   14.000  *      node1's heartbeat process stops for 350 ms in the middle of a renewal
   14.201  *      node1 serves light0 no more
   14.350  node1  light0: this node's heartbeat process did not run in time, so the kernel shut its addresses; they are taken off
   14.350  node1  this node did not run for 300 ms; silence in that time counts for nothing
   14.872  node1  light0 is stopped (the lease lapsed)
   15.194  node2  light0: announcing that this node takes it over
   15.394  node2  light0: taken over, since node1 is lost
   15.397  *      node2 serves light0
   15.418  node2  light0 is started
   20.000  *      node2's eth0 loses every frame, and nobody is told
   20.200  node2  light0: nothing proves any more that this node is on the network: its addresses are taken off
   20.201  *      node2 serves light0 no more
   20.721  node2  node1 is lost: no heartbeat within deadtime
   20.742  node2  light0 is stopped (the lease lapsed)
   20.770  node1  node2 is lost: no heartbeat within deadtime
   20.770  node1  light0: announcing that this node takes it over
   20.970  node1  light0: taken over, since node2 is lost
   20.974  *      node1 serves light0
   20.994  node1  light0 is started
   21.000  *      over: node2's eth0 loses every frame, and nobody is told
   21.321  node2  node1 is heard, but does not hear us
   21.370  node1  node2 is heard, but does not hear us
   40.000  *      over: every heartbeat takes 320 ms longer
   40.050  node1  node2 is heard, and hears us
   40.101  node2  node1 is heard, and hears us
