// Talks to the service manager: readiness by one datagram to $NOTIFY_SOCKET (sd_notify(3)), and the
// pid file. No library needed for one sendto().
#pragma once

#include <string_view>

namespace posthouse::app {

// Sends `state` ("READY=1", "STOPPING=1", "RELOADING=1"); does nothing without $NOTIFY_SOCKET.
void notify_service(std::string_view state);

}  // namespace posthouse::app
