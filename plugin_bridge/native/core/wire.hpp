// OSC messages of docs/protocol.md, written and read by hand: a few strings, big-endian numbers, one blob.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

namespace backline {

constexpr int DEFAULT_PORT = 9010;
constexpr std::uint32_t LARGEST_BLOCK = 8192;  // samples of one datagram

// Builds one message in a buffer that is reused: OscWriter(buffer, address, tags).i(1).h(2).blob(...); then bytes().
class OscWriter {
public:
    OscWriter(std::vector<std::uint8_t>& bytes, std::string_view address, std::string_view tags) : bytes_(bytes)
    {
        bytes_.clear();
        text(address);
        bytes_.push_back(',');
        text(tags);
    }

    OscWriter& i(std::int32_t value) { return number(static_cast<std::uint32_t>(value), 4); }
    OscWriter& h(std::int64_t value) { return number(static_cast<std::uint64_t>(value), 8); }
    OscWriter& d(double value)
    {
        std::uint64_t bits;
        std::memcpy(&bits, &value, sizeof bits);
        return number(bits, 8);
    }
    OscWriter& s(std::string_view value)
    {
        text(value);
        return *this;
    }
    OscWriter& m(std::uint8_t status, std::uint8_t data1, std::uint8_t data2)
    {
        const std::uint8_t packed[4] = {0, status, data1, data2};
        bytes_.insert(bytes_.end(), packed, packed + 4);
        return *this;
    }
    OscWriter& blob(const void* data, std::uint32_t size)
    {
        i(static_cast<std::int32_t>(size));
        const auto* const first = static_cast<const std::uint8_t*>(data);
        bytes_.insert(bytes_.end(), first, first + size);
        pad();
        return *this;
    }

private:
    OscWriter& number(std::uint64_t value, int size)
    {
        for (int shift = 8 * (size - 1); shift >= 0; shift -= 8)
            bytes_.push_back(static_cast<std::uint8_t>(value >> shift));
        return *this;
    }
    void text(std::string_view value)
    {
        bytes_.insert(bytes_.end(), value.begin(), value.end());
        bytes_.push_back(0);
        pad();
    }
    void pad() { bytes_.resize((bytes_.size() + 3) & ~std::size_t{3}, 0); }

    std::vector<std::uint8_t>& bytes_;
};

struct Blob {
    const std::uint8_t* data;
    std::uint32_t size;
};

// Reads one message in place. What is asked for must match the tags; past a broken place everything is 0 and ok() false.
class OscReader {
public:
    OscReader(const std::uint8_t* bytes, std::size_t size) : at_(bytes), end_(bytes + size)
    {
        address_ = text();
        tags_ = text();
        ok_ = ok_ && !address_.empty() && address_[0] == '/' && !tags_.empty() && tags_[0] == ',';
        if (ok_)
            tags_.remove_prefix(1);
    }

    bool ok() const { return ok_; }
    bool is(std::string_view address, std::string_view tags) const { return ok_ && address_ == address && tags_ == tags; }
    std::string_view address() const { return address_; }
    std::string_view tags() const { return tags_; }

    std::int32_t i() { return static_cast<std::int32_t>(number(4)); }
    std::int64_t h() { return static_cast<std::int64_t>(number(8)); }
    double d()
    {
        const std::uint64_t bits = number(8);
        double value;
        std::memcpy(&value, &bits, sizeof value);
        return value;
    }
    std::string_view s() { return text(); }
    std::uint32_t m() { return static_cast<std::uint32_t>(number(4)); }  // port, status, data 1, data 2 from the top
    Blob blob()
    {
        const std::uint32_t size = static_cast<std::uint32_t>(number(4));
        if (!ok_ || size > static_cast<std::size_t>(end_ - at_))
            return fail(), Blob{nullptr, 0};
        const Blob found{at_, size};
        skip((size + 3) & ~std::size_t{3});
        return found;
    }
    // A number of the answers to commands, which come as i or h.
    std::int64_t whole(std::size_t place) { return place < tags_.size() && tags_[place] == 'h' ? h() : i(); }

private:
    std::uint64_t number(int size)
    {
        if (!ok_ || end_ - at_ < size)
            return fail(), 0;
        std::uint64_t value = 0;
        for (int k = 0; k < size; ++k)
            value = value << 8 | *at_++;
        return value;
    }
    std::string_view text()
    {
        const void* const zero = at_ < end_ ? std::memchr(at_, 0, static_cast<std::size_t>(end_ - at_)) : nullptr;
        if (zero == nullptr)
            return fail(), std::string_view{};
        const std::size_t length = static_cast<std::size_t>(static_cast<const std::uint8_t*>(zero) - at_);
        const std::string_view found(reinterpret_cast<const char*>(at_), length);
        skip((length + 4) & ~std::size_t{3});
        return found;
    }
    void skip(std::size_t count) { at_ += count < static_cast<std::size_t>(end_ - at_) ? count : end_ - at_; }
    void fail() { ok_ = false; }

    const std::uint8_t *at_, *end_;
    std::string_view address_, tags_;
    bool ok_ = true;
};

}  // namespace backline
