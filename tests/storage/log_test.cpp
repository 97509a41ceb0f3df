// The pure rules: index, checksum, retention.
#include <doctest/doctest.h>

#include <map>

#include "basis/rng.hpp"
#include "storage/log/checksum.hpp"
#include "storage/log/compaction.hpp"
#include "storage/log/compare.hpp"
#include "storage/log/keys.hpp"

using namespace troupe;
using namespace troupe::storage;

TEST_CASE("the checksum is CRC-32C, by instruction and by table alike") {
  CHECK(crc32c("123456789") == 0xe3069283u);
  CHECK(crc32c("") == 0u);
  CHECK(crc32c(std::string(32, '\0')) == 0x8a9136aau);  // RFC 3720, B.4
  rng chance(3);
  std::string text;
  for (int i = 0; i < 200; ++i) {
    CHECK(crc32c(text) == crc32c_by_table(text));
    const auto cut = chance.below(text.size() + 1);
    CHECK(crc32c(text.substr(cut), crc32c(text.substr(0, cut))) == crc32c(text));
    text.push_back(static_cast<char>(chance.below(256)));
  }
}

TEST_CASE("the key index agrees with a plain map, whatever the order of arrival") {
  for (std::uint64_t seed = 0; seed < 3; ++seed) {
    rng chance(seed);
    keys index;
    std::map<std::string, revision> model;
    for (int i = 0; i < 20'000; ++i) {
      const auto key = "/registry/pods/" + std::to_string(seed == 0 ? static_cast<std::uint64_t>(1'000'000 + i) : chance.below(4'000));
      if (chance.chance(seed == 2 ? 48 : 25)) {
        index.drop(key);
        model.erase(key);
      } else {
        index.set(key, {1, i, i % 3, 10});
        model[key] = i;
      }
    }
    REQUIRE(index.size() == model.size());
    auto expected = model.begin();
    std::size_t live = 0;
    index.walk({}, {}, [&](std::string_view key, const key_state& state) {
      REQUIRE(expected != model.end());
      REQUIRE(key == expected->first);
      REQUIRE(state.modified == expected->second);
      REQUIRE(index.find(key) == &state);
      live += state.live();
      ++expected;
      return true;
    });
    CHECK(expected == model.end());
    CHECK(index.live() == live);
    CHECK(index.find("/registry/pods") == nullptr);
    CHECK(index.find("/zzz") == nullptr);
    const keys copy = index;
    for (const auto& [key, at] : model) index.drop(key);
    CHECK(index.size() == 0);
    CHECK(copy.size() == model.size());
  }
}

TEST_CASE("the floor keeps a minimum of revisions and never falls") {
  const retention rule{.kept_revisions_min = 1'000, .dead_bytes_max = 100};
  CHECK(raised_floor({5'000, 10}, rule, 4'500) == 4'000);
  CHECK(raised_floor({5'000, 10}, rule, 3'000) == 3'000);
  CHECK(raised_floor({5'000, 4'500}, rule, 5'000) == 4'500);
  CHECK(raised_floor({500, 0}, rule, 500) == 0);
  CHECK(crowded_floor({5'000, 10}, rule, 100) == 10);
  CHECK(crowded_floor({5'000, 10}, rule, 101) == 10 + floor_step_revisions);
  CHECK(crowded_floor({1'500, 400}, rule, 1'000) == 500);
}

TEST_CASE("a restored log can neither be followed nor be read below where it begins") {
  const bounds copy = bounds{70, 20}.restored();
  CHECK(copy.followable(70).code() == errc::gone);
  CHECK(copy.followable(900).code() == errc::gone);
  CHECK(copy.readable(70).code() == errc::gone);
  CHECK(*copy.readable(0) == 1'000'070);
  CHECK(copy.followable(1'000'070).ok());
}

TEST_CASE("every operation on every state of a key is judged by its compare") {
  const key_state live{1, 5, 2, 100}, dead{1, 6, 0, 50};
  const auto is = [](operation::kind what, revision expected, const key_state* now) {
    return judge({what, "k", {}, expected}, now) == outcome::kind::committed;
  };
  using kind = operation::kind;
  CHECK(is(kind::create, 0, nullptr));
  CHECK(is(kind::create, 0, &dead));
  CHECK_FALSE(is(kind::create, 0, &live));
  CHECK(is(kind::update, 5, &live));
  CHECK_FALSE(is(kind::update, 0, &live));
  CHECK_FALSE(is(kind::update, 0, nullptr));
  CHECK_FALSE(is(kind::update, 6, &dead));
  CHECK(is(kind::erase, 0, &live));
  CHECK(is(kind::erase, 5, &live));
  CHECK_FALSE(is(kind::erase, 4, &live));
  CHECK_FALSE(is(kind::erase, 0, &dead));
  CHECK_FALSE(is(kind::erase, 0, nullptr));
}
