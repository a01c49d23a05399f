// Starts `backline serve` as a process that outlives the host.
#pragma once

#include <string>
#include <sys/types.h>

namespace backline {

// command: a program, found on PATH where it has no slash. Returns its process number; 0 with the reason where it cannot start.
pid_t start_server(const std::string& command, int port, std::string& reason);

// Whether a process that start_server gave has ended; it is then forgotten.
bool has_ended(pid_t server);

}  // namespace backline
