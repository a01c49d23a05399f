// A queue of records between two threads: one writes, one reads, neither ever waits.
//
// A record is a head and an optional body, stored as contiguous bytes. `push` belongs to the writing thread and refuses
// what does not fit; `pop` belongs to the reading thread. Positions only grow; each thread stores one and loads the other.
#pragma once

#include <atomic>
#include <cstdint>
#include <cstring>
#include <vector>

namespace backline {

class RecordQueue {
public:
    // capacity: bytes, a power of two. A record may take half of it, its place at the wrap included.
    explicit RecordQueue(std::size_t capacity) : bytes_(capacity), mask_(capacity - 1) {}

    // Writer: store a record; false where there is no room.
    bool push(const void* head, std::uint32_t head_size, const void* body = nullptr, std::uint32_t body_size = 0)
    {
        const std::uint32_t size = head_size + body_size;
        const std::size_t needed = padded(size);
        const std::uint64_t write = write_.load(std::memory_order_relaxed);
        const std::uint64_t read = read_.load(std::memory_order_acquire);
        const std::size_t place = write & mask_;
        const std::size_t to_wrap = bytes_.size() - place;
        const std::size_t skipped = needed > to_wrap ? to_wrap : 0;
        if (bytes_.size() - (write - read) < skipped + needed)
            return false;
        if (skipped != 0)
            std::memcpy(&bytes_[place], &WRAP, sizeof WRAP);
        std::uint8_t* const target = &bytes_[(write + skipped) & mask_];
        std::memcpy(target, &size, sizeof size);
        std::memcpy(target + HEADER, head, head_size);
        if (body_size != 0)
            std::memcpy(target + HEADER + head_size, body, body_size);
        write_.store(write + skipped + needed, std::memory_order_release);
        return true;
    }

    // Reader: hand the oldest record to take(const uint8_t* bytes, uint32_t size); false where there is none.
    template <class Take> bool pop(Take&& take)
    {
        std::uint64_t read = read_.load(std::memory_order_relaxed);
        if (read == write_.load(std::memory_order_acquire))
            return false;
        std::uint32_t size = length_at(read);
        if (size == WRAP) {
            read += bytes_.size() - (read & mask_);
            size = length_at(read);
        }
        take(static_cast<const std::uint8_t*>(&bytes_[(read & mask_) + HEADER]), size);
        read_.store(read + padded(size), std::memory_order_release);
        return true;
    }

    // Reader: forget what waits.
    void clear()
    {
        read_.store(write_.load(std::memory_order_acquire), std::memory_order_release);
    }

private:
    static constexpr std::uint32_t WRAP = 0xFFFFFFFF;
    static constexpr std::size_t HEADER = 8;  // the size, padded so that what follows is aligned

    static std::size_t padded(std::uint32_t size) { return HEADER + ((size + 7u) & ~std::size_t{7}); }

    std::uint32_t length_at(std::uint64_t position) const
    {
        std::uint32_t size;
        std::memcpy(&size, &bytes_[position & mask_], sizeof size);
        return size;
    }

    std::vector<std::uint8_t> bytes_;
    const std::size_t mask_;
    alignas(64) std::atomic<std::uint64_t> write_{0};
    alignas(64) std::atomic<std::uint64_t> read_{0};
};

}  // namespace backline
