# A daemon that was killed comes back with the service running while its heartbeats do not arrive, and claims one-way what
# it has; in the middle of the claim the other node hears it again. It must not stay in the claim. (Simulator, seed 80.)
cluster light
links eth0
11.90 beats node1 eth0 to for 0.95
12.00 daemon node1
ends 25
---
    0.550  node2  node1 is heard, and hears us
    0.550  node1  node2 is heard, and hears us
    0.555  *      node1 serves light0
    0.576  node1  light0 is started
   11.900  *      heartbeats of node1 on eth0 are cut
   12.000  *      the daemon of node1 is killed
   12.251  node1  light0: found running here: 192.168.100.100, httpd
   12.351  node2  node1 is lost: no heartbeat within deadtime
   12.750  node1  light0: announcing that this node takes it over
   12.850  *      over: heartbeats of node1 on eth0 are cut
   12.850  node2  node1 is heard, and hears us
   12.950  node1  light0: taken over, since node2 is lost
   12.950  node1  node2 is heard, and hears us
   12.951  node1  light0 is started
