# The ping node is gone for a minute: nothing moves, nothing stops.
cluster light
links eth0
10.0 ping for 60
ends 80
---
    0.550  node2  node1 is heard, and hears us
    0.550  node1  node2 is heard, and hears us
    0.555  *      node1 serves light0
    0.576  node1  light0 is started
   10.000  *      the ping node is gone
   70.000  *      over: the ping node is gone
