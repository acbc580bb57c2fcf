"""What runs in the sandbox's own processes. Imports the standard library and itself, nothing else.

syscalls     the system calls that code may make, by architecture
seccomp      a filter made of them
landlock     what code may read
wire         values and lines that cross between processes
confinement  limits, user, landlock and seccomp, in the order in which they must come
worker       runs the code of a model; nothing it says is believed
checker      runs the test of a problem against a worker
probes       tries what must not work, for the self-test
child        a confined process: one of the three above
keeper       starts children and ends them
"""
