// UDP on this machine.
#pragma once

#include <arpa/inet.h>
#include <cstdint>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

namespace backline {

constexpr int RECEIVE_BUFFER = 4 << 20;  // bytes; the system's 208 KiB lose half of an unthrottled render

// A socket that does not block, connected to a port.
inline int udp_socket(int port)
{
    const int made = ::socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    ::setsockopt(made, SOL_SOCKET, SO_RCVBUF, &RECEIVE_BUFFER, sizeof RECEIVE_BUFFER);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    ::connect(made, reinterpret_cast<const sockaddr*>(&address), sizeof address);
    return made;
}

inline void close_socket(int& descriptor)
{
    if (descriptor >= 0)
        ::close(descriptor);
    descriptor = -1;
}

}  // namespace backline
