// The last file of an etcd's log, made here byte by byte as etcd's encoder makes it; tests/journeys/restore_test.py has real ones.
#include "storage/etcd_wal.hpp"

#include <doctest/doctest.h>

#include "basis/rng.hpp"
#include "storage/log/checksum.hpp"

using namespace troupe;
using namespace troupe::storage;

namespace {
std::string number(std::uint64_t value) {
  std::string out;
  for (; value > 127; value /= 128) out += static_cast<char>(value % 128 + 128);
  return out += static_cast<char>(value);
}
std::string state(std::uint64_t term, std::uint64_t vote, std::uint64_t commit) {
  return "\x08" + number(term) + "\x10" + number(vote) + "\x18" + number(commit);
}
std::string entry(std::uint64_t term, std::uint64_t index, const std::string& data) {
  std::string out("\x08\x00", 2);
  return out + "\x10" + number(term) + "\x18" + number(index) + "\x22" + number(data.size()) + data;
}

/// A file that begins where another one ended.
struct wal {
  explicit wal(std::uint32_t before = 0) : crc(before) { add(4, ""); }
  wal& add(std::uint64_t kind, const std::string& data) {
    if (kind != 4) crc = crc32c_by_table(data, crc);
    std::string body = "\x08" + number(kind) + "\x10" + number(crc);
    if (kind != 4) body += "\x1a" + number(data.size()) + data;
    const auto padding = (8 - body.size() % 8) % 8;
    auto frame = static_cast<std::uint64_t>(body.size());
    if (padding > 0) frame += (0x80ull + padding) << 56;
    for (int i = 0; i < 8; ++i) text += static_cast<char>(frame >> (8 * i) & 0xff);
    text += body + std::string(padding, '\0');
    return *this;
  }
  std::string reserved(std::size_t more = 4096) const { return text + std::string(more, '\0'); }
  std::uint32_t crc;
  std::string text;
};
}  // namespace

TEST_CASE("entries that were synced and not yet noted as committed are noted, and nothing before them changes") {
  for (const std::uint32_t before : {0u, 0xdeadbeefu}) {
    wal log(before);
    log.add(1, "metadata").add(3, state(7, 0x8e9e05c52164694d, 40)).add(2, entry(7, 41, "a")).add(2, entry(7, 42, std::string(5000, 'b')));
    const auto out = with_all_committed(log.reserved(), 20);
    REQUIRE(out.ok());
    CHECK(*out == wal(log).add(3, state(7, 0x8e9e05c52164694d, 42)).reserved(log.text.size() + 4096 - wal(log).add(3, state(7, 0x8e9e05c52164694d, 42)).text.size()));
    // Done once, it is done.
    CHECK(*with_all_committed(*out, 20) == *out);
  }
}

TEST_CASE("a log that is complete stays as it is, byte by byte") {
  wal log;
  log.add(1, "m").add(2, entry(2, 9, "x")).add(3, state(2, 5, 9));
  CHECK(*with_all_committed(log.reserved(), 1) == log.reserved());
  CHECK(*with_all_committed(log.text, 1) == log.text);
  // A file that was begun an instant ago: what is before it counts by its name.
  wal fresh(17);
  fresh.add(1, "m").add(3, state(2, 5, 99));
  CHECK(*with_all_committed(fresh.reserved(), 100) == fresh.reserved());
  CHECK(*with_all_committed(fresh.reserved(), 101) == wal(fresh).add(3, state(2, 5, 100)).reserved(4096 - (wal(fresh).add(3, state(2, 5, 100)).text.size() - fresh.text.size())));
}

TEST_CASE("an entry that replaced later ones is the last; an older commit is not taken back") {
  wal log;
  log.add(1, "m").add(3, state(1, 5, 3)).add(2, entry(1, 4, "a")).add(2, entry(1, 5, "b")).add(2, entry(1, 6, "c")).add(2, entry(2, 5, "d"));
  CHECK(*with_all_committed(log.text, 1) == wal(log).add(3, state(1, 5, 5)).text);
  wal odd;
  odd.add(1, "m").add(2, entry(1, 4, "a")).add(3, state(1, 5, 8)).add(2, entry(1, 5, "b"));
  CHECK(*with_all_committed(odd.text, 1) == odd.text);
}

TEST_CASE("what was torn by the end is cut off wherever it was torn") {
  wal log;
  log.add(1, "m").add(3, state(1, 5, 3)).add(2, entry(1, 4, "a"));
  const auto whole = log.text.size();
  auto longer = wal(log).add(2, entry(1, 5, std::string(700, 'z')));
  const auto wanted = wal(log).add(3, state(1, 5, 4)).text;
  for (std::size_t cut = whole + 1; cut < longer.text.size(); ++cut) {
    const auto out = with_all_committed(longer.text.substr(0, cut) + std::string(2048, '\0'), 1);
    REQUIRE(out.ok());
    // Of the padding nothing can be torn: the record is whole without it.
    if (out->substr(0, longer.text.size()) == longer.text) continue;
    REQUIRE_MESSAGE(out->substr(0, wanted.size()) == wanted, cut);
    REQUIRE(out->find_first_not_of('\0', wanted.size()) == std::string::npos);
  }
}

TEST_CASE("what is no log of etcd is refused, and no damage of one makes it crash") {
  CHECK(with_all_committed("", 1).code() == errc::corrupt);
  CHECK(with_all_committed(std::string(4096, '\0'), 1).code() == errc::corrupt);
  CHECK(with_all_committed(std::string(4096, '\xff'), 1).code() == errc::corrupt);
  CHECK(with_all_committed("some other file altogether, of some length", 1).code() == errc::corrupt);
  CHECK(with_all_committed(wal().add(1, "m").text, 1).code() == errc::corrupt);   // no state
  wal log;
  log.add(1, "m").add(3, state(1, 5, 3)).add(2, entry(1, 4, "a")).add(3, state(1, 5, 4));
  rng chance(3);
  for (int i = 0; i < 20'000; ++i) {
    auto bent = log.reserved(64);
    for (auto n = 1 + chance.below(4); n > 0; --n) bent[chance.below(bent.size())] = static_cast<char>(chance.below(256));
    const auto out = with_all_committed(bent, chance.below(9));
    CHECK((out.ok() || out.code() == errc::corrupt));
  }
}
