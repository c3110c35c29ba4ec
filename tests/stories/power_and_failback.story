# The owner loses its power; the other node takes over; the owner comes back and gets its group.
cluster light
links eth0 eth1
10.0 power node1 for 6
ends 30
---
    0.550  node2  node1 is heard, and hears us
    0.550  node1  node2 is heard, and hears us
    0.555  *      node1 serves light0
    0.576  node1  light0 is started
   10.000  *      node1 loses its power
   10.000  *      node1 serves light0 no more
   10.450  node2  node1 is lost: no heartbeat within deadtime
   10.450  node2  light0: announcing that this node takes it over
   10.650  node2  light0: taken over, since node1 is lost
   10.654  *      node2 serves light0
   10.674  node2  light0 is started
   16.000  *      over: node1 loses its power
   16.450  node2  node1 restarted
   16.450  node2  node1 is heard, and hears us
   16.550  node1  node2 is heard, and hears us
   17.500  node2  light0: handing over to node1 (failback)
   17.523  node2  light0 is stopped (failback)
   17.524  *      node2 serves light0 no more
   17.528  *      node1 serves light0
   17.549  node1  light0 is started
