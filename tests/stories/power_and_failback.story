# The owner loses its power; the other node takes over; the owner comes back and gets its group.
cluster light
links eth0 eth1
10.0 power node1 for 6
ends 30
---
    0.251  node2  node1 is heard, and hears us
    0.251  node1  node2 is heard, and hears us
    0.256  *      node1 serves light0
    0.277  node1  light0 is started
   10.000  *      node1 loses its power
   10.000  *      node1 serves light0 no more
   10.400  node2  node1 is lost: no heartbeat within deadtime
   10.400  node2  light0: announcing that this node takes it over
   10.600  node2  light0: taken over, since node1 is lost
   10.604  *      node2 serves light0
   10.624  node2  light0 is started
   16.000  *      over: node1 loses its power
   16.250  node2  node1 restarted
   16.250  node2  node1 is heard, and hears us
   16.300  node1  node2 is heard, and hears us
   17.300  node2  light0: handing over to node1 (failback)
   17.323  node2  light0 is stopped (failback)
   17.324  *      node2 serves light0 no more
   17.328  *      node1 serves light0
   17.349  node1  light0 is started
