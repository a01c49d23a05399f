#include "start_server.hpp"

#include <cerrno>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <sched.h>
#include <spawn.h>
#include <sys/wait.h>

extern char** environ;

namespace backline {

pid_t start_server(const std::string& command, int port, std::string& reason)
{
    // Nothing of the host's goes along: no descriptor, no terminal, no blocked or ignored signal, no real-time priority.
    posix_spawn_file_actions_t files;
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&files, 1, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_addopen(&files, 2, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_addclosefrom_np(&files, 3);
    posix_spawnattr_t how;
    posix_spawnattr_init(&how);
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    const sched_param ordinary{};
    posix_spawnattr_setsigmask(&how, &none);
    posix_spawnattr_setsigdefault(&how, &all);
    posix_spawnattr_setschedpolicy(&how, SCHED_OTHER);
    posix_spawnattr_setschedparam(&how, &ordinary);
    posix_spawnattr_setflags(&how, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSCHEDULER);

    std::string program = command, number = std::to_string(port), serve = "serve", option = "--port";
    char* const words[] = {program.data(), serve.data(), option.data(), number.data(), nullptr};
    pid_t server = 0;
    const int problem = posix_spawnp(&server, program.c_str(), &files, &how, words, environ);
    posix_spawn_file_actions_destroy(&files);
    posix_spawnattr_destroy(&how);
    if (problem != 0) {
        reason = "cannot start '" + command + " serve': " + std::strerror(problem);
        return 0;
    }
    return server;
}

bool has_ended(pid_t server)
{
    return waitpid(server, nullptr, WNOHANG) != 0;  // its number, or -1 where somebody else took the news
}

}  // namespace backline
