#include "actors/model/scan.hpp"

#include <doctest/doctest.h>

#include <optional>

#include "basis/json.hpp"
#include "basis/rng.hpp"

using namespace troupe;
using namespace troupe::model;

namespace {

/// Where the text that begins at 0 ends, one byte after the other; nothing when it does not.
std::optional<std::size_t> end_of(std::string_view text) {
  for (std::size_t at = 1; at < text.size(); ++at) {
    if (text[at] == '"') return at + 1;
    if (text[at] == '\\') ++at;
  }
  return std::nullopt;
}

}  // namespace

TEST_CASE("a text ends where its quote is, whatever its length and however much of it is escaped") {
  rng dice(7);
  int ended = 0;
  for (int round = 0; round < 20'000; ++round) {
    std::string text = "\"";
    const auto length = dice.below(dice.chance(80) ? 60 : 600), escapes = dice.below(60);
    while (text.size() < length) text += dice.chance(static_cast<unsigned>(escapes)) ? "\\\"nu"[dice.below(4)] : 'x';
    if (dice.chance(90)) text += '"';
    text += dice.chance(50) ? ",1" : "";
    json_scan scan(text);
    const auto got = scan.value();
    const auto wanted = end_of(text);
    CAPTURE(text);
    REQUIRE(got.size() == wanted.value_or(0));
    ended += wanted.has_value();
  }
  CHECK(ended > 10'000);
}

TEST_CASE("members come with their values, long texts and escaped quotes among them") {
  const json object{{"a", std::string(5000, 'x') + "\"}" + std::string(50, '\\')}, {"b", {{"c", json::array({1, "]\"", nullptr})}}}, {"d", std::string(30, '"')}};
  const auto text = to_text(object);
  json_scan scan(text);
  REQUIRE(scan.open());
  json seen = json::object();
  std::string_view key;
  while (scan.member(key)) seen[std::string(key)] = *parse_json(scan.value());
  CHECK(seen == object);
}

TEST_CASE("a million escapes and no end are passed over once") {
  std::string text = "\"";
  for (int i = 0; i < 1'000'000; ++i) text += "\\n";
  json_scan open(text);
  CHECK(open.value().empty());
  text += '"';
  json_scan closed(text);
  CHECK(closed.value().size() == text.size());
}
