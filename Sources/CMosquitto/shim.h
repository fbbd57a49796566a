// The system's libmosquitto, version 2.0 or later, and what else the connection needs of the system.
#include <mosquitto.h>

// Linux 5.9, glibc 2.34; declared here because the headers show it to GNU sources only.
int close_range(unsigned int first, unsigned int last, int flags);
