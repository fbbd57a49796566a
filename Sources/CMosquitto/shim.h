// The system's libmosquitto, version 2.0 or later. Nothing is added: this file names the one header that is used.
#include <mosquitto.h>
