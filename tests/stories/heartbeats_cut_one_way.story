# Heartbeats of the owner do not arrive any more, its address answers: nothing moves.
cluster light
links eth0
10.0 beats node1 eth0 to for 8
ends 22
---
    0.550  node2  node1 is heard, and hears us
    0.550  node1  node2 is heard, and hears us
    0.555  *      node1 serves light0
    0.576  node1  light0 is started
   10.000  *      heartbeats of node1 on eth0 are cut
   10.450  node1  node2 is heard, but does not hear us
   10.450  node2  node1 is lost: no heartbeat within deadtime
   18.000  *      over: heartbeats of node1 on eth0 are cut
   18.050  node2  node1 is heard, and hears us
   18.150  node1  node2 is heard, and hears us
