# Both lose their cards to the clients, so neither may blame its own and the veto is suspended; then only the other's comes
# back. Its control answers again, the owner's does not: handed over (found by the model check: it stayed for ever).
cluster light
links eth1
10.0 card node2 eth0 silent for 5
10.1 card node1 eth0 silent
ends 25
---
    0.550  node2  node1 is heard, and hears us
    0.550  node1  node2 is heard, and hears us
    0.555  *      node1 serves light0
    0.576  node1  light0 is started
   10.000  *      node2's eth0 loses every frame, and nobody is told
   10.100  *      node1's eth0 loses every frame, and nobody is told
   15.000  *      over: node2's eth0 loses every frame, and nobody is told
   17.200  node1  light0: handing over to node2 (cut off from the ping node)
   17.223  node1  light0 is stopped (cut off from the ping node)
   17.224  *      node1 serves light0 no more
   17.228  *      node2 serves light0
   17.248  node2  light0 is started
