// The core's parts, each against a plain model of it:   units queue | threads | ledger | outbox | wire | datagrams | audio | transport
#include <cmath>
#include <cstdint>
#include <cstring>
#include <deque>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "audio_placement.hpp"
#include "check.hpp"
#include "ledger.hpp"
#include "outbox.hpp"
#include "queue.hpp"
#include "transport.hpp"
#include "wire.hpp"

using namespace backline;

namespace {

using Bytes = std::vector<std::uint8_t>;

Bytes random_bytes(std::mt19937& random, std::size_t most)
{
    Bytes bytes(1 + random() % most);
    for (auto& byte : bytes)
        byte = static_cast<std::uint8_t>(random());
    return bytes;
}

void check_queue()
{
    std::mt19937 random(1);
    RecordQueue queue(1024);
    std::deque<Bytes> model;
    std::size_t refused = 0, passed = 0;
    for (int step = 0; step < 200000; ++step) {
        if (random() % 2) {
            const Bytes record = random_bytes(random, 300);
            const auto head = static_cast<std::uint32_t>(1 + random() % record.size());
            if (queue.push(record.data(), head, record.data() + head, static_cast<std::uint32_t>(record.size()) - head))
                model.push_back(record);
            else
                ++refused;
        } else {
            Bytes got;
            const bool any = queue.pop([&](const std::uint8_t* bytes, std::uint32_t size) { got.assign(bytes, bytes + size); });
            hold(any == !model.empty(), "a queue gives a record exactly while it holds one");
            if (any) {
                hold(got == model.front(), "records come out whole and in order");
                model.pop_front();
                ++passed;
            }
        }
    }
    hold(refused > 1000 && passed > 50000, "the queue was full now and then, and mostly not");
    queue.clear();
    hold(!queue.pop([](const std::uint8_t*, std::uint32_t) {}), "a cleared queue is empty");
}

void check_threads()
{
    RecordQueue queue(4096);
    constexpr std::uint32_t COUNT = 300000;
    std::thread writer([&] {
        std::mt19937 random(2);
        std::uint32_t body[200];
        for (std::uint32_t number = 0; number < COUNT; ++number) {
            const std::uint32_t size = random() % 200;
            std::fill(body, body + size, number);
            while (!queue.push(&number, sizeof number, body, size * 4))
                std::this_thread::yield();
        }
    });
    std::uint32_t expected = 0;
    while (expected < COUNT) {
        const bool any = queue.pop([&](const std::uint8_t* bytes, std::uint32_t size) {
            for (std::uint32_t place = 0; place < size; place += 4) {
                std::uint32_t value;
                std::memcpy(&value, bytes + place, 4);
                hold(value == expected, "what one thread writes another reads, whole and in order");
            }
            ++expected;
        });
        if (!any)
            std::this_thread::yield();
    }
    writer.join();
}

void check_ledger()
{
    std::mt19937 random(3);
    NoteLedger ledger;
    int sounding[16][128] = {};
    for (int step = 0; step < 300000; ++step) {
        const auto hear = [&](const MidiBytes& midi) {
            int& count = sounding[midi[0] & 15][midi[1]];
            if (starts_note(midi))
                hold(++count == 1, "no note starts twice");
            else if (ends_note(midi))
                hold(--count == 0, "no note ends that does not sound");
        };
        if (random() % 5000 == 0) {
            ledger.end_all(hear);
            for (const auto& channel : sounding)
                for (const int count : channel)
                    hold(count == 0, "the end of all leaves nothing sounding");
            hold(ledger.sounding() == 0, "and the ledger knows it");
        }
        const std::uint8_t kinds[] = {NOTE_ON, NOTE_ON, NOTE_OFF, CONTROL, BEND};
        const std::uint8_t kind = kinds[random() % 5], channel = random() % 16;
        ledger.admit({std::uint8_t(kind | channel), std::uint8_t(kind == CONTROL ? SUSTAIN : random() % 128), std::uint8_t(random() % 128)},
                     hear);
    }
    std::vector<MidiBytes> ends;
    NoteLedger held;
    held.admit({NOTE_ON | 2, 60, 90}, [](const MidiBytes&) {});
    held.admit({CONTROL | 2, SUSTAIN, 127}, [](const MidiBytes&) {});
    held.admit({BEND | 3, 0, 70}, [](const MidiBytes&) {});
    held.end_all([&](const MidiBytes& midi) { ends.push_back(midi); });
    const std::vector<MidiBytes> expected{{NOTE_OFF | 2, 60, 0}, {CONTROL | 2, SUSTAIN, 0}, {BEND | 3, 0, 64}};
    hold(ends == expected, "notes end first, then pedals lift and wheels go home");
}

void check_outbox()
{
    std::mt19937 random(7);
    Outbox outbox(4000);
    std::vector<int> put, written;
    for (int cycle = 0; cycle < 3000; ++cycle) {
        int room = static_cast<int>(random() % 12);
        std::uint32_t before = 0;
        const auto write = [&](std::uint32_t frame, const MidiBytes& midi) {
            if (room == 0)
                return false;
            --room;
            hold(frame >= before, "what had to wait is first");
            before = frame;
            written.push_back(midi[1] << 7 | midi[2]);
            return true;
        };
        outbox.begin(write);
        const std::uint32_t count = random() % 9;
        for (std::uint32_t k = 0; k < count; ++k) {
            const int number = static_cast<int>(put.size()) & 0x3FFF;
            put.push_back(number);
            outbox.put(k + 1, {NOTE_ON, std::uint8_t(number >> 7), std::uint8_t(number & 127)}, write);
        }
    }
    outbox.begin([&](std::uint32_t, const MidiBytes& midi) {
        written.push_back(midi[1] << 7 | midi[2]);
        return true;
    });
    hold(put == written && outbox.dropped == 0, "a full host delays messages, and loses and reorders none");
}

void check_wire()
{
    Bytes bytes;
    const float samples[3] = {0.5f, -1.0f, 0.25f};
    OscWriter(bytes, "/backline/audio", "ihib").i(-7).h(1LL << 40).i(3).blob(samples, sizeof samples);
    const unsigned char head[] = "/backline/audio\0,ihib\0\0\0\xff\xff\xff\xf9\0\0\1\0\0\0\0\0\0\0\0\3\0\0\0\x0c";
    hold(bytes.size() == 44 + sizeof samples && std::memcmp(bytes.data(), head, 44) == 0, "audio has the layout of the wire");
    OscReader audio(bytes.data(), bytes.size());
    hold(audio.is("/backline/audio", "ihib") && audio.i() == -7 && audio.h() == 1LL << 40 && audio.i() == 3, "and is read back");
    const Blob blob = audio.blob();
    hold(audio.ok() && blob.size == sizeof samples && std::memcmp(blob.data, samples, blob.size) == 0, "with its samples");
    OscWriter(bytes, "/backline/transport", "ihihddidd").i(1).h(2).i(1).h(3).d(123.5).d(-2.25).i(4).d(1.5).d(3.0);
    OscReader told(bytes.data(), bytes.size());
    hold(told.i() == 1 && told.h() == 2 && told.i() == 1 && told.h() == 3 && told.d() == 123.5 && told.d() == -2.25 && told.i() == 4
             && told.d() == 1.5 && told.d() == 3.0 && told.ok(),
         "transport is read back");
    OscWriter(bytes, "/backline/midi", "ihm").i(1).h(5).m(0x90, 60, 100);
    hold(bytes.size() % 4 == 0 && bytes[bytes.size() - 4] == 0 && bytes[bytes.size() - 3] == 0x90, "MIDI is port, status, data");
    OscWriter(bytes, "/backline/fail", "ss").s("data port").s("there is no stream 3 here");
    OscReader fail(bytes.data(), bytes.size());
    hold(fail.s() == "data port" && fail.s() == "there is no stream 3 here" && fail.ok(), "texts are read back");
    std::mt19937 random(4);
    for (int step = 0; step < 200000; ++step) {  // whatever comes is read without leaving the datagram
        Bytes foreign = random() % 2 ? random_bytes(random, 80) : bytes;
        foreign[random() % foreign.size()] = static_cast<std::uint8_t>(random());
        foreign.resize(random() % (foreign.size() + 1));
        foreign.shrink_to_fit();
        OscReader reader(foreign.data(), foreign.size());
        reader.s();
        reader.blob();
        reader.h();
        reader.m();
        reader.whole(1);
    }
}

// For plugin_bridge.protocol, which must pack the same: a line of hexadecimal digits a datagram.
void print_datagrams()
{
    Bytes bytes;
    const auto print = [&] {
        for (const std::uint8_t byte : bytes)
            std::printf("%02x", byte);
        std::printf("\n");
    };
    const float samples[3] = {0.5f, -1.0f, 0.25f};
    OscWriter(bytes, "/backline/audio", "ihib").i(7).h(1LL << 40).i(3).blob(samples, sizeof samples);
    print();
    OscWriter(bytes, "/backline/midi", "ihm").i(7).h(12345).m(0x93, 60, 100);
    print();
    OscWriter(bytes, "/backline/transport", "ihihddidd").i(7).h(96000).i(1).h(-480).d(123.5).d(-2.25).i(4).d(1.5).d(3.0);
    print();
}

void check_audio()
{
    std::mt19937 random(5);
    AudioPlacement placement;
    placement.prepare(3000);
    float sample = 0.0f;
    hold(!placement.read(0, sample), "nothing is there before it is stored");
    std::int64_t at = 1LL << 33;
    for (int step = 0; step < 2000; ++step) {
        std::vector<float> block(1 + random() % 300);
        for (std::size_t k = 0; k < block.size(); ++k)
            block[k] = static_cast<float>((at + static_cast<std::int64_t>(k)) % 1000);
        const bool lost = random() % 10 == 0;
        if (!lost)
            placement.store(at, block.data(), block.size());
        for (std::size_t k = 0; k < block.size(); ++k) {
            const std::int64_t number = at + static_cast<std::int64_t>(k);
            hold(placement.read(number, sample) == !lost, "what is lost is a hole at its own place");
            hold(lost || sample == static_cast<float>(number % 1000), "and moves nothing else");
        }
        at += static_cast<std::int64_t>(block.size());
    }
    DelayLine line;
    line.prepare(1000);
    for (int k = 0; k < 5000; ++k)
        hold(line.exchange(static_cast<float>(k), 777) == static_cast<float>(k < 777 ? 0 : k - 777), "a delay line delays");
}

void check_transport()
{
    TransportWatch watch;
    watch.prepare(48000);
    std::int64_t at = 0;
    const auto look = [&](bool playing, std::int64_t frame) {
        HostTime host;
        host.playing = playing;
        host.frame = frame;
        at += 256;
        return watch.look(host, at);
    };
    hold(look(false, 0) == Break::none && look(false, 9999999) == Break::none, "a locate while stopped breaks nothing off");
    hold(look(true, 1000) == Break::none && look(true, 1256) == Break::none, "rolling on is no break");
    hold(look(true, 1512 + 4096) == Break::none, "an xrun moves the host on, and is no locate");
    hold(look(true, 1512 + 4096 + 255) == Break::none, "nor is a rounding of the host's");
    hold(look(true, 1000) == Break::jumped && look(true, 1256) == Break::none, "a loop back is one jump");
    hold(look(true, 500000) == Break::jumped, "so is a locate ahead");
    hold(look(false, 500256) == Break::stopped && look(false, 500256) == Break::none, "a stop is one stop");
    HostTime host;
    host.playing = true;
    host.tempo_bpm = 120;
    hold(watch.is_news(host, 0, false) && !watch.is_news(host, 256, false), "the same is told once");
    hold(!watch.is_news(host, 23999, false) && watch.is_news(host, 24000, false), "and again every half second while playing");
    host.tempo_bpm = 121;
    hold(watch.is_news(host, 24256, false) && watch.is_news(host, 24512, true), "a tempo and a jump are news");
    host.playing = false;
    host.frame = 5;
    hold(watch.is_news(host, 24768, false) && !watch.is_news(host, 999999, false), "a host that stands still is told once");
    host.frame = 6;
    hold(watch.is_news(host, 999999, false), "a locate of it is news");
}

}  // namespace

int main(int argc, char** argv)
{
    const std::string part = argc > 1 ? argv[1] : "";
    if (part == "queue")
        check_queue();
    else if (part == "threads")
        check_threads();
    else if (part == "ledger")
        check_ledger();
    else if (part == "outbox")
        check_outbox();
    else if (part == "wire")
        check_wire();
    else if (part == "datagrams")
        print_datagrams();
    else if (part == "audio")
        check_audio();
    else if (part == "transport")
        check_transport();
    else
        hold(false, "a part is one of queue, threads, ledger, outbox, wire, datagrams, audio, transport");
    return 0;
}
